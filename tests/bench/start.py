"""Budget: a restart with many pods on record is quick, and the daemon stays small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench import cluster, pods, records
from tests.bench.daemon import Daemon
from tests.bench.measure import Figure, median, seconds_of

BUDGET = "start"
FINISHED = 9_500
ALIVE = 500
ROUNDS = 5
LIMIT_SECONDS = 2
LIMIT_MB = 100


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Start again and again on a record of pods that ended and pods that wait in Slurm's queue."""
    daemon = Daemon(folder, image)
    with cluster.job_name() as name:
        uids = _accept(daemon, name) + records.add_finished(daemon.database, FINISHED)
        starts = [_start(daemon, uids[:1]) for _ in range(ROUNDS)]
        what = f"start with {len(uids):,} pods known, {ALIVE} alive"
        answered = f"{what}: until /status answers, median of {ROUNDS}"
        yield Figure(budget=BUDGET, what=answered, value=median(starts), unit="s", limit=LIMIT_SECONDS)
        with daemon.running() as connection:
            yield _memory(daemon, "resident memory after the first look at Slurm")
            for begin in range(0, len(uids), 1000):
                connection.ask("GET", "/status", pods.names_body(uids[begin : begin + 1000]))
            yield _memory(daemon, "resident memory after /status of every pod")


def _memory(daemon: Daemon, what: str) -> Figure:
    return Figure(budget=BUDGET, what=what, value=daemon.memory(), unit="MB", limit=LIMIT_MB)


def _accept(daemon: Daemon, name: str) -> list[str]:
    uids = []
    with daemon.running() as connection:
        for _ in range(ALIVE):
            pod = pods.new_pod(str(daemon.image), ["true"], flags=f"--hold --job-name={name}")
            connection.ask("POST", "/create", pods.create_body(pod))
            uids.append(pod["metadata"]["uid"])
    return uids


def _start(daemon: Daemon, uids: list[str]) -> float:
    def start() -> None:
        daemon.launch()
        daemon.wait_until("/status", pods.names_body(uids))

    try:
        return seconds_of(start)
    finally:
        daemon.stop()
