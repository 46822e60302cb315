"""Budget: a pod's job takes hardly more time, and little more work, than the same container in a job by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, perf_counter, sleep

from tests.bench import cluster, pods
from tests.bench.daemon import Connection, Daemon
from tests.bench.measure import Figure, median
from tests.bench.pods import Json
from tests.bench.sides import Pods, Raw, Side
from tests.bench.witness import Seen, watch

BUDGET = "jobs"
WATCHED = 12
LIMIT_ADDED_MS = 100
BURST = 60
BURST_ROUNDS = 3
LIMIT_BURST = 1.15
LIMIT_CPU = {"read-only root": 1.5, "writable root": 2}
LIMIT_SCRIPT_KB = 3
MANY = 200
WORKERS = 10
"""Submissions at a time, on either side."""
POLL_SECONDS = 0.1
"""Seldom enough to be no load."""
PATIENCE_SECONDS = 300
_COMMAND = ("true",)


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Run the same container by ``sbatch --wrap`` and as a pod, with and without a root it can write to, in turns."""
    daemon = Daemon(folder, image)
    shared, output = folder / "shared", folder / "output"
    shared.mkdir()
    output.mkdir()
    with cluster.job_name() as name, daemon.running():
        raw = Raw(image=image, job_name=name, output=output)
        read_only, writable = (Pods(daemon=daemon, job_name=name, is_read_only=each) for each in (True, False))
        yield from _one_by_one(raw, [read_only, writable], shared)
        yield _script_size(daemon)
        used = daemon.cpu_seconds()
        yield from _at_once(raw, [read_only, writable])
        each = (daemon.cpu_seconds() - used) / (2 * BURST * BURST_ROUNDS)
        yield _plain("CPU time of the daemon and its calls of Slurm, a pod", 1000 * each, "ms")
        yield from _many(raw, writable)


def _one_by_one(raw: Raw, ours: Sequence[Pods], shared: Path) -> Iterator[Figure]:
    sides: list[Side] = [raw, *ours]
    seen: dict[str, list[Seen]] = {side.what: [] for side in sides}
    for side in sides:
        watch(side, shared)  # warms up
    for _ in range(WATCHED):
        for side in sides:
            seen[side.what].append(watch(side, shared))
    for what, each in seen.items():
        start, end = (median([getattr(one, part) for one in each]) for part in ("start_ms", "end_ms"))
        yield _plain(f"{what}: start of the job to the container's process, median of {WATCHED}", start, "ms")
        yield _plain(f"{what}: that process's end to the job's end", end, "ms")
    by_hand = median([one.sum_ms for one in seen[raw.what]])
    for side in ours:
        each = seen[side.what]
        added = median([one.sum_ms for one in each]) - by_hand
        yield Figure(budget=BUDGET, what=f"{side.what}: added in sum", value=added, unit="ms", limit=LIMIT_ADDED_MS)
        yield _plain(f"{side.what}: RSS of the batch script's process", median([one.script_mb for one in each]), "MB")
        supervision = median([one.supervision_mb for one in each])
        yield _plain(f"{side.what}: memory of all that supervises", supervision, "MB")


def _script_size(daemon: Daemon) -> Figure:
    """The largest of those that the daemon has written; none has texts of a site or a pod in it."""
    largest = max(script.stat().st_size for script in daemon.data_root.glob("*/job.slurm"))
    return Figure(budget=BUDGET, what="batch script", value=largest / 1000, unit="kB", limit=LIMIT_SCRIPT_KB)


def _at_once(raw: Raw, ours: Sequence[Pods]) -> Iterator[Figure]:
    """Bursts of jobs, and what their processes used."""
    sides: list[Side] = [raw, *ours]
    seconds: dict[str, list[float]] = {side.what: [] for side in sides}
    cpu: dict[str, list[float]] = {side.what: [] for side in sides}
    for _ in range(BURST_ROUNDS):
        for side in sides:
            taken, job_ids = _burst(side, BURST)
            seconds[side.what].append(taken)
            cpu[side.what] += [1000 * each for each in cluster.cpu_seconds(job_ids)]
    what = f"{BURST} at once to the last job's end"
    yield from _compared(what, seconds, "s", dict.fromkeys(LIMIT_CPU, LIMIT_BURST))
    yield from _compared("CPU time of a job", cpu, "ms", LIMIT_CPU)


def _compared(
    what: str, values: Mapping[str, Sequence[float]], unit: str, limits: Mapping[str, float]
) -> Iterator[Figure]:
    """The medians, and what the pods' are in proportion to the first."""
    medians = {side: median(each) for side, each in values.items()}
    by_hand = next(iter(medians.values()))
    for side, value in medians.items():
        yield _plain(f"{side}: {what}", value, unit)
    for side, limit in limits.items():
        ratio = medians[side] / by_hand
        yield Figure(budget=BUDGET, what=f"{side}: {what}, ratio", value=ratio, unit="", limit=limit)


def _burst(side: Side, count: int) -> tuple[float, list[str]]:
    """How many seconds it took to the last job's end, and the jobs."""
    started = perf_counter()
    with ThreadPoolExecutor(WORKERS) as executor:
        job_ids = list(executor.map(side.start, [_COMMAND] * count))
    _wait_until(lambda: not cluster.jobs_left(side.job_name))
    return perf_counter() - started, job_ids


def _many(raw: Raw, side: Pods) -> Iterator[Figure]:
    by_hand, _ = _burst(raw, MANY)
    ours = _until_succeeded(side, [side.new_pod(_COMMAND) for _ in range(MANY)])
    yield _plain(f"{MANY} jobs, {raw.what}", 60 * MANY / by_hand, "per min")
    yield _plain(f"{MANY} pods from /create to Succeeded, {side.what}", 60 * MANY / ours, "per min")
    yield _plain("share of raw", 100 * by_hand / ours, "%")
    yield _plain("times that /create put a pod off (503)", len(side.put_off), "")


def _until_succeeded(side: Pods, made: Sequence[Json]) -> float:
    """How many seconds it took until ``/status`` said so of all pods."""
    body = pods.names_body(pod["metadata"]["uid"] for pod in made)
    started = perf_counter()
    with ThreadPoolExecutor(WORKERS) as executor:
        list(executor.map(side.create, made))
    with side.daemon.connection() as connection:
        _wait_until(lambda: _have_succeeded(connection, body))
    return perf_counter() - started


def _have_succeeded(connection: Connection, body: bytes) -> bool:
    """Whether all have.

    :raises RuntimeError: a pod has failed
    """
    answer = connection.answer_of("GET", "/status", body)
    states = [container["state"] for pod in answer for container in pod["containers"]]
    ends = [state["terminated"] for state in states if "terminated" in state]
    if failed := [end for end in ends if end["exitCode"]]:
        raise RuntimeError(f"{len(failed)} pods have failed: {failed[0]}")
    return len(ends) == len(states)


def _wait_until(is_over: Callable[[], bool]) -> None:
    """Poll.

    :raises TimeoutError: it does not become so
    """
    deadline = monotonic() + PATIENCE_SECONDS
    while not is_over():
        if monotonic() > deadline:
            raise TimeoutError(f"the jobs have not ended after {PATIENCE_SECONDS} s")
        sleep(POLL_SECONDS)


def _plain(what: str, value: float, unit: str) -> Figure:
    """A figure that is there to compare with."""
    return Figure(budget=BUDGET, what=what, value=value, unit=unit)
