"""Pods that leave a mark on the node each time they run."""

from __future__ import annotations

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod, mounts, volumes
from tests.virtual_kubelet.admission import Json


def a_counting_pod(name: str, daemon: Daemon, script: str = "true") -> Json:
    """A pod that appends a line to a file of its own when it runs."""
    counts = daemon.data_root.parent / "counts"
    counts.mkdir(exist_ok=True)
    container = a_container(script=f"echo ran >>/counts/{name}; {script}", **mounts(counts="/counts"))
    return a_pod(name, container, **volumes(counts={"hostPath": {"path": str(counts)}}))


def runs_of(name: str, daemon: Daemon) -> int:
    """How often the pod has run."""
    path = daemon.data_root.parent / "counts" / name
    return len(path.read_text().splitlines()) if path.exists() else 0
