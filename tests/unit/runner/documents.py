"""Small documents for the supervisor's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import ContainerDocument, MountDocument, PodDocument, VolumeDocument

FACTS = {"nodeName": "n1", "podIP": "10.1.2.3", "hostIP": "192.0.2.7"}


def a_mount(volume: str, path: str, *, read_only: bool = False, sub_path: str = "") -> MountDocument:
    return {"volume": volume, "path": path, "read_only": read_only, "sub_path": sub_path}


def a_volume(name: str, kind: str, path: str = "", type_: str = "") -> VolumeDocument:
    return {"name": name, "kind": kind, "path": path, "type": type_}


def a_container(name: str = "main", role: str = "main", **fields: Any) -> ContainerDocument:
    document: Any = {
        "name": name,
        "role": role,
        "image": "busybox.sif",
        "image_keys": [],
        "image_namespace": "",
        "login": "",
        "pull_policy": "IfNotPresent",
        "command": [],
        "args": [],
        "env": [],
        "working_dir": "",
        "runtime_options": [],
        "writable": False,
        "stop_signal": "TERM",
        "message_path": "/dev/termination-log",
        "message_from_log": False,
        "mounts": [],
        "startup": None,
        "liveness": None,
        "readiness": None,
        "post_start": None,
        "pre_stop": None,
        "gpus": None,
    }
    document.update(fields)
    result: ContainerDocument = document
    return result


def a_pod(*containers: ContainerDocument, site: dict[str, Any] | None = None, **fields: Any) -> PodDocument:
    document: Any = {
        "version": 1,
        "namespace": "default",
        "name": "demo",
        "uid": "u-1",
        "restart_policy": "Never",
        "grace_seconds": 30,
        "deadline_seconds": None,
        "pod_ip": "",
        "mpi": None,
        "runtime_commands": "",
        "in_mesh": False,
        "has_shell_text": False,
        "tunnel_commands": "",
        "job_script": "",
        "names": {
            "hostname": "",
            "fqdn": "",
            "aliases": [],
            "resolver": "none",
            "nameservers": [],
            "searches": [],
            "resolver_options": [],
        },
        "volumes": [],
        "containers": list(containers) or [a_container()],
        "site": {
            "data_root": "/data",
            "shared_fs": True,
            "bash": "/bin/bash",
            "runtime": "singularity",
            "runtime_program": "apptainer",
            "runtime_prefix": "",
            "allowed_paths": [],
            "protected_paths": [],
            "max_restarts": None,
            "tsocks_library": "",
            "tsocks_login": [],
            "log_max_bytes": 0,
            "log_max_files": 0,
            **(site or {}),
        },
        "backoff": {"first": 10, "longest": 300, "reset_after": 600},
    }
    document.update(fields)
    result: PodDocument = document
    return result
