"""Pods that leave a mark on the node each time they run, and pods that wait for a mark of the test's."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod, mounts, volumes
from tests.virtual_kubelet.admission import Json


def a_counting_pod(name: str, daemon: Daemon, script: str = "true") -> Json:
    """A pod that appends a line to a file of its own when it runs."""
    container = a_container(script=f"echo ran >>/marks/{name}; {script}", **mounts(marks="/marks"))
    return a_pod(name, container, **volumes(marks={"hostPath": {"path": str(_marks(daemon))}}))


def a_patient_pod(name: str, daemon: Daemon, then: str = "true", *, first: str = "true") -> Json:
    """A counting pod that runs until :func:`release`."""
    return a_counting_pod(name, daemon, f"{first}; until [ -e /marks/{name}.go ]; do sleep 0.1; done; {then}")


def release(name: str, daemon: Daemon) -> None:
    """Let a patient pod go on."""
    (_marks(daemon) / f"{name}.go").touch()


def runs_of(name: str, daemon: Daemon) -> int:
    """How often the pod has run."""
    path = _marks(daemon) / name
    return len(path.read_text().splitlines()) if path.exists() else 0


def _marks(daemon: Daemon) -> Path:
    folder = daemon.data_root.parent / "marks"
    folder.mkdir(exist_ok=True)
    return folder
