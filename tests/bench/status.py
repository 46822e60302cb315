"""Budget: one ``/status`` for 1,000 pods is quick, and costs the same when ten times as many are known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench import pods, records
from tests.bench.daemon import Connection, Daemon
from tests.bench.measure import Figure, median, seconds_of

BUDGET = "status"
ASKED = 1000
KNOWN = (1_000, 10_000)
ROUNDS = 50
LIMIT_MS = 10
NOISE = 1.15
"""Ratio up to which two medians count as the same."""


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Ask two daemons, one of which knows more pods, in turns: for names alone and for whole pods."""
    with ExitStack() as stack:
        asked: dict[int, tuple[Connection, list[str]]] = {}
        for known in KNOWN:
            home = folder / str(known)
            home.mkdir()
            daemon = Daemon(home, image)
            uids = records.add_finished(daemon.database, known)
            asked[known] = (stack.enter_context(daemon.running()), random.sample(uids, ASKED))
        yield from _times(asked)


def _times(asked: dict[int, tuple[Connection, list[str]]]) -> Iterator[Figure]:
    names = {known: (connection, pods.names_body(uids)) for known, (connection, uids) in asked.items()}
    first = {known: 1000 * _seconds(*request) for known, request in names.items()}
    times = _in_turns(names)
    for known in KNOWN:
        what = f"{ASKED:,} pods of {known:,} known"
        yield Figure(budget=BUDGET, what=f"{what}: median", value=times[known], unit="ms", limit=LIMIT_MS)
        yield Figure(budget=BUDGET, what=f"{what}: first call after the start", value=first[known], unit="ms")
    few, many = KNOWN
    yield Figure(budget=BUDGET, what="ratio of the two medians", value=times[many] / times[few], unit="", limit=NOISE)
    whole = _in_turns({known: (connection, _whole(uids)) for known, (connection, uids) in asked.items()})
    what = f"the same with whole pods in the request, {many:,} known"
    yield Figure(budget=BUDGET, what=what, value=whole[many], unit="ms")


def _in_turns(requests: dict[int, tuple[Connection, bytes]]) -> dict[int, float]:
    """Medians in milliseconds."""
    times: dict[int, list[float]] = {known: [] for known in requests}
    for _ in range(ROUNDS):
        for known, request in requests.items():
            times[known].append(_seconds(*request))
    return {known: 1000 * median(each) for known, each in times.items()}


def _seconds(connection: Connection, body: bytes) -> float:
    return seconds_of(lambda: connection.ask("GET", "/status", body))


def _whole(uids: list[str]) -> bytes:
    template = pods.new_pod("busybox", ["true"], flags="")
    return pods.status_body(template | {"metadata": template["metadata"] | {"uid": uid}} for uid in uids)
