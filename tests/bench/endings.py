"""Budget: a container's end is soon seen in ``/status``."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

from tests.bench import cluster, pods
from tests.bench.daemon import Connection, Daemon
from tests.bench.measure import Figure, median, p95
from tests.bench.pods import Json

BUDGET = "endings"
PODS = 30
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 60


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Run short pods one after the other and poll each until it has ended."""
    daemon = Daemon(folder, image)
    with cluster.job_name() as name, daemon.running() as connection:
        lags = [_lag(daemon, connection, name) for _ in range(PODS)]
    what = f"exit of the container to Terminated in /status, {PODS} pods"
    yield Figure(budget=BUDGET, what=f"{what}: median", value=median(lags), unit="s", limit=1.5)
    yield Figure(budget=BUDGET, what=f"{what}: 95 %", value=p95(lags), unit="s")


def _lag(daemon: Daemon, connection: Connection, name: str) -> float:
    # Of no fixed length, or all would end at the same point of the daemon's rhythm.
    pod = pods.new_pod(str(daemon.image), ["sleep", f"{random.uniform(0.2, 1.2):.2f}"], flags=f"--job-name={name}")
    connection.ask("POST", "/create", pods.create_body(pod))
    seen = _first_seen(connection, pod)
    connection.ask("POST", "/delete", pods.delete_body(pod))
    return (seen - _exit_of(daemon.database, pod)).total_seconds()


def _first_seen(connection: Connection, pod: Json) -> datetime:
    """When ``/status`` first said that the container had ended.

    :raises TimeoutError: it never did
    """
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        answer = connection.answer_of("GET", "/status", pods.status_body([pod]))
        if "terminated" in answer[0]["containers"][0]["state"]:
            return datetime.now(UTC)
        sleep(POLL_SECONDS)
    raise TimeoutError(f"pod {pod['metadata']['uid']} has not ended after {PATIENCE_SECONDS} s")


def _exit_of(database: Path, pod: Json) -> datetime:
    """The node's own time of the exit: in the history it has more digits than in ``/status``."""
    question = "SELECT occurred_at FROM events WHERE pod_uid = ? AND kind = 'container_terminated'"
    with closing(sqlite3.connect(database)) as connection:
        (text,) = connection.execute(question, [pod["metadata"]["uid"]]).fetchone()
    return datetime.fromisoformat(text)
