"""Budget: how often Slurm is asked does not depend on the number of pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import sleep

from tests.bench import cluster, pods
from tests.bench.daemon import Connection, Daemon
from tests.bench.measure import Figure

BUDGET = "calls"
ALIVE = (5, 50, 300)
WINDOW_SECONDS = 60
MOST_PER_MINUTE = 60 / 5 + 1
"""One look per ReconcileInterval, by default 5 s; a window may begin just before one."""
PROGRAMS = {"SqueuePath": "squeue", "SacctPath": "sacct"}


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Count the calls of programs that stand in front of the real ones, with ever more pods waiting in the queue."""
    wrappers = cluster.counting(folder, list(PROGRAMS.values()))
    daemon = Daemon(folder, image, **{key: wrappers[name] for key, name in PROGRAMS.items()})
    with cluster.job_name() as name, daemon.running():
        yield from _window(folder, "no pod", limit=0)
        alive = 0
        for wanted in ALIVE:
            # A new connection each time: the daemon closes those that are idle.
            with daemon.connection() as connection:
                _create(connection, image, name, wanted - alive)
            alive = wanted
            yield from _window(folder, f"{alive} pods alive", limit=MOST_PER_MINUTE)
        cluster.cancel(name)
        yield from _window(folder, f"all {alive} pods cancelled at once", limit=2 * MOST_PER_MINUTE)


def _create(connection: Connection, image: Path, name: str, count: int) -> None:
    for _ in range(count):
        pod = pods.new_pod(str(image), ["true"], flags=f"--hold --job-name={name}")
        connection.ask("POST", "/create", pods.create_body(pod))


def _window(folder: Path, what: str, *, limit: float) -> Iterator[Figure]:
    log = folder / "calls"
    before = len(log.read_text().splitlines())
    sleep(WINDOW_SECONDS)
    calls = Counter(log.read_text().splitlines()[before:])
    per_minute = 60 / WINDOW_SECONDS
    for program in PROGRAMS.values():
        yield Figure(budget=BUDGET, what=f"{what}: {program}", value=calls[program] * per_minute, unit="per min")
    value = calls.total() * per_minute
    yield Figure(budget=BUDGET, what=f"{what}: both", value=value, unit="per min", limit=limit)
