"""Budget: a pod is created nearly as fast as its script is submitted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import local
from time import perf_counter

from tests.bench import cluster, pods
from tests.bench.daemon import Connection, Daemon
from tests.bench.measure import Figure, median

BUDGET = "creates"
PER_ROUND = 100
ROUNDS = 3
WORKERS = (1, 2, 4)

Calls = list[Callable[[], object]]


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Submit the very scripts the daemon has written, by ``sbatch`` alone and through ``POST /create``, in turns."""
    daemon = Daemon(folder, image)
    with cluster.job_name() as name, daemon.running():
        for workers in WORKERS:
            yield from _compare(daemon, name, workers)


def _compare(daemon: Daemon, name: str, workers: int) -> Iterator[Figure]:
    raw, ours = _Times(), _Times()
    connect = _one_connection_each(daemon)
    _run(_creations(daemon, name, connect), workers, _Times())  # warms up, and leaves scripts for the other side
    for _ in range(ROUNDS):
        _run(_submissions(daemon), workers, raw)
        _run(_creations(daemon, name, connect), workers, ours)
        cluster.cancel(name)
    what = f"{workers} at a time"
    yield Figure(budget=BUDGET, what=f"{what}: raw sbatch", value=raw.per_second, unit="per s")
    yield Figure(budget=BUDGET, what=f"{what}: POST /create", value=ours.per_second, unit="per s")
    share = 100 * ours.per_second / raw.per_second
    yield Figure(budget=BUDGET, what=f"{what}: share of raw", value=share, unit="%", limit=90, is_floor=True)
    added = 1000 * (median(ours.each) - median(raw.each))
    yield Figure(budget=BUDGET, what=f"{what}: added latency, median", value=added, unit="ms", limit=5)


class _Times:
    """Of all rounds of one side."""

    def __init__(self) -> None:
        self.each: list[float] = []
        self.rounds: list[float] = []

    @property
    def per_second(self) -> float:
        return len(self.each) / sum(self.rounds)


def _run(calls: Calls, workers: int, times: _Times) -> None:
    def timed(call: Callable[[], object]) -> float:
        started = perf_counter()
        call()
        return perf_counter() - started

    with ThreadPoolExecutor(workers) as executor:
        started = perf_counter()
        times.each += executor.map(timed, calls)
        times.rounds.append(perf_counter() - started)


def _submissions(daemon: Daemon) -> Calls:
    scripts = sorted(daemon.data_root.glob("*/job.slurm"))[:PER_ROUND]
    return [partial(cluster.submit, script) for script in scripts]


def _creations(daemon: Daemon, name: str, connect: Callable[[], Connection]) -> Calls:
    flags = f"--hold --job-name={name}"
    bodies = [pods.create_body(pods.new_pod(str(daemon.image), ["true"], flags=flags)) for _ in range(PER_ROUND)]

    def create(body: bytes) -> bytes:
        return connect().ask("POST", "/create", body)

    return [partial(create, body) for body in bodies]


def _one_connection_each(daemon: Daemon) -> Callable[[], Connection]:
    """A connection per thread, kept alive as interLink keeps its own."""
    own = local()

    def connect() -> Connection:
        if not hasattr(own, "connection"):
            own.connection = Connection(daemon.socket)
        connection: Connection = own.connection
        return connection

    return connect
