"""Budget: beside containers that only wait, the supervisor does nothing at all, or nothing but what a probe needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import sleep

from tests.bench.measure import Figure
from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod
from tests.virtual_kubelet.admission import Json

BUDGET = "idle"
SECONDS = 60
PROBE_SECONDS = 10
LIMIT_FORKS = 2
"""For each probe: one process joins the container's namespaces, and its child, which is in them, runs the command."""
_SETTLE_SECONDS = 3
_WAITS = "trap 'exit 0' TERM; sleep 3600 & wait"
_FORKS = ("fork", "vfork", "clone", "clone3")


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Count the calls of the supervisor and its children with strace, with two containers and then with a probe too."""
    home = folder / "idle"
    home.mkdir()
    daemon = Daemon(home, image)
    daemon.start()
    try:
        without = _calls_of(daemon, "without", {})
        yield _figure("calls of the supervisor, two containers without probes", sum(without.values()), 0, "")
        probe = {"livenessProbe": {"exec": {"command": ["true"]}, "periodSeconds": PROBE_SECONDS}}
        probed = _calls_of(daemon, "probed", probe)
        probes = SECONDS / PROBE_SECONDS
        forks = sum(probed.get(name, 0) for name in _FORKS) / probes
        yield _figure(f"forks, with an exec probe every {PROBE_SECONDS} s", forks, LIMIT_FORKS, "a probe")
        yield _figure("calls, its processes included", sum(probed.values()) / probes, None, "a probe")
    finally:
        daemon.destroy()


def _figure(what: str, value: float, limit: float | None, unit: str) -> Figure:
    return Figure(budget=BUDGET, what=f"{what}, in {SECONDS} s", value=value, unit=unit, limit=limit)


def _calls_of(daemon: Daemon, name: str, more: Json) -> dict[str, int]:
    kubelet = daemon.kubelet()
    containers = [a_container("first", _WAITS, **more), a_container("second", _WAITS)]
    pod = kubelet.create_pod(a_pod(name, *containers, terminationGracePeriodSeconds=1))
    kubelet.wait_for(name, "Running")
    sleep(_SETTLE_SECONDS)
    calls = _traced(_supervisor_of(daemon.directory(pod["metadata"]["uid"])), daemon.log.with_name(f"trace.{name}"))
    kubelet.delete_pod(name)
    return calls


def _supervisor_of(directory: Path) -> int:
    """The process that was started with the pod's directory."""
    wanted = f"\0run\0{directory}\0".encode()
    return next(int(file.parent.name) for file in Path("/proc").glob("[0-9]*/cmdline") if wanted in _content(file))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # it has ended meanwhile


def _traced(pid: int, trace: Path) -> dict[str, int]:
    """How often each call was begun by the process and its new children. A wait that is under way is none."""
    strace = [shutil.which("strace") or "strace", "-f", "-qq", "-o", str(trace), "-p", str(pid)]
    tracer = subprocess.Popen(strace)
    sleep(SECONDS)
    tracer.terminate()
    tracer.wait()
    counts: dict[str, int] = {}
    for line in trace.read_text(errors="replace").splitlines():
        name = line.split(None, 1)[1].partition("(")[0]
        if name.isidentifier() and "<detached" not in line:
            counts[name] = counts.get(name, 0) + 1
    return counts
