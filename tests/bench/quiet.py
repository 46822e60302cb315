"""Budget: what a daemon asks of the file system does not grow with pods that have nothing to tell.

The pods are on record as running and have their directories, but no jobs. Between two looks at Slurm the daemon cannot
tell the difference. In a look it misses the jobs, so that it opens each pod's claim besides its report.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import sleep

from tests.bench import records
from tests.bench.daemon import Daemon
from tests.bench.measure import Figure

BUDGET = "quiet"
PODS = (10, 300)
SECONDS = 20
_SETTLE_SECONDS = 5
_OPENS = ("open", "openat")
_STATS = ("stat", "fstat", "lstat", "newfstatat", "statx")
_NEVER = 300
"""Seconds between two looks at Slurm, so that none falls into the measurement."""
_USUAL = 5
LIMIT = 3
"""Opens a second, and stats a second: one bell, and what Python and its threads do by themselves."""


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Count the calls of the daemon's own threads with strace."""
    for interval, limit in ((_NEVER, LIMIT), (_USUAL, None)):
        for count in PODS:
            home = folder / f"{count}-{interval}"
            home.mkdir()
            calls = _calls_a_second(home, image, count, interval)
            what = "between two looks at Slurm" if limit else f"with a look at Slurm every {interval} s"
            for name, kinds in (("opens", _OPENS), ("stats", _STATS), ("calls in all", tuple(calls))):
                value = sum(calls.get(kind, 0) for kind in kinds)
                is_limited = limit if kinds in (_OPENS, _STATS) else None
                yield Figure(
                    budget=BUDGET, what=f"{count} quiet pods, {what}: {name}", value=value, unit="/s", limit=is_limited
                )


def _calls_a_second(home: Path, image: Path, count: int, interval: int) -> dict[str, float]:
    daemon = Daemon(home, image, ReconcileInterval=Path(str(interval)))
    records.add_running(daemon.database, daemon.data_root, count)
    with daemon.running():
        sleep(_SETTLE_SECONDS)
        return {name: number / SECONDS for name, number in _traced(daemon.process.pid, home / "trace").items()}


def _traced(pid: int, prefix: Path) -> dict[str, int]:
    """How often each call was made by the threads that are there now; programs that they start are left out."""
    threads = [path.name for path in Path(f"/proc/{pid}/task").iterdir()]
    strace = [shutil.which("strace") or "strace", "-qq", "-ff", "-o", str(prefix), "-p", str(pid)]
    tracer = subprocess.Popen(strace)
    sleep(SECONDS)
    tracer.terminate()
    tracer.wait()
    counts: dict[str, int] = {}
    for thread in threads:
        trace = prefix.with_name(f"{prefix.name}.{thread}")
        for line in trace.read_text(errors="replace").splitlines() if trace.exists() else ():
            name = line.partition("(")[0]
            if name.isidentifier():
                counts[name] = counts.get(name, 0) + 1
    return counts
