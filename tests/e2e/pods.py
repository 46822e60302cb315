"""Manifests, with defaults for everything a test does not speak of."""

from __future__ import annotations

from typing import Any

from tests.virtual_kubelet.admission import Json

IMAGE = "busybox.sif"


def a_pod(
    name: str,
    *containers: Json,
    script: str = "true",
    flags: str = "",
    annotations: dict[str, str] | None = None,
    restart: str = "Never",
    **spec: Any,
) -> Json:
    """A pod; without containers it has one, ``main``, that runs ``script``.

    :param flags: of sbatch
    """
    own = {"slurm-job.vk.io/flags": flags} if flags else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": own | (annotations or {})},
        "spec": {"restartPolicy": restart, "containers": list(containers) or [a_container(script=script)]} | spec,
    }


def a_container(name: str = "main", script: str = "true", **more: Any) -> Json:
    """A container that runs a shell script."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script]} | more


def a_config_map(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def a_secret(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def mounts(**paths: str) -> Json:
    """``volumeMounts`` by volume name."""
    return {"volumeMounts": [{"name": name, "mountPath": path} for name, path in paths.items()]}


def volumes(**sources: Json) -> Json:
    """``volumes`` by name."""
    return {"volumes": [{"name": name} | source for name, source in sources.items()]}
