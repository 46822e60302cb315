"""``/getLogs`` with every combination of options gives what a kubelet gives, for the present and the previous run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.job_output.log_reader import LogOptions
from tests.factories import Json, a_pod_json, a_request
from tests.integration.app import App, running
from tests.kubelet_logs import LENGTH, START, Entry, Log, logs, write

MINUTES = st.integers(0, int(LENGTH / timedelta(minutes=1))).map(lambda number: timedelta(minutes=number))
"""When something was written; half a minute before and after, nothing was."""
HALF_A_MINUTE = timedelta(seconds=30)


@dataclass(frozen=True)
class Wanted:
    """What is asked for, in the terms of ``kubectl logs``."""

    tail: int
    limit_bytes: int
    timestamps: bool
    follow: bool
    previous: bool
    since_seconds: timedelta | None
    """After the log's start; half a minute earlier is meant."""
    since_time: timedelta | None

    def options(self) -> LogOptions:
        moments = [
            *([START + self.since_seconds - HALF_A_MINUTE] if self.since_seconds is not None else []),
            *([START + self.since_time] if self.since_time is not None else []),
        ]
        return LogOptions(
            tail=self.tail or None,
            limit_bytes=self.limit_bytes or None,
            timestamps=self.timestamps,
            since=max(moments, default=None),
        )

    def request(self) -> Json:
        ago = None if self.since_seconds is None else datetime.now(UTC) - START - self.since_seconds + HALF_A_MINUTE
        time = datetime(1, 1, 1, tzinfo=UTC) if self.since_time is None else START + self.since_time
        return {
            "Tail": self.tail,
            "Bytes": self.limit_bytes,
            "Timestamps": self.timestamps,
            "Follow": self.follow,
            "Previous": self.previous,
            "SinceSeconds": 0 if ago is None else int(ago.total_seconds()),
            "SinceTime": f"{time:%Y-%m-%dT%H:%M:%SZ}".zfill(20),
        }


WANTED = st.builds(
    Wanted,
    tail=st.sampled_from([0, 1, 2, 10, 1000]),
    limit_bytes=st.one_of(st.sampled_from([0, 10**9]), st.integers(1, 100), st.integers(1, 10**5)),
    timestamps=st.booleans(),
    follow=st.booleans(),
    previous=st.booleans(),
    since_seconds=st.none() | MINUTES,
    since_time=st.none() | MINUTES,
)
PLAIN = Wanted(0, 0, False, False, False, None, None)
LINES = Log(b"one\ntwo\nthree", (Entry(timedelta(0), 4), Entry(timedelta(minutes=5), 8)), b"")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A pod whose container has run twice and ended."""
    with running(tmp_path_factory.mktemp("options")) as app:
        app.create(a_request(a_pod_json(restartPolicy="OnFailure")))
        job = app.job()
        job.says("job_started", job="1", node="node1")
        for attempt in (0, 1):
            job.says("container_started", container="main", attempt=attempt)
            job.says("container_terminated", container="main", attempt=attempt, code=1 - attempt)
            if attempt == 0:
                job.says("container_restarting", container="main", attempt=1, delay=10)
        app.daemon.reconciler.read_reports()
        yield app


@settings(max_examples=150)
@given(runs=st.tuples(logs(MINUTES), logs(MINUTES)), wanted=WANTED)
@example(runs=(LINES, LINES), wanted=PLAIN)
@example(runs=(LINES, LINES), wanted=dataclasses.replace(PLAIN, previous=True, follow=True, tail=1))
@example(runs=(LINES, LINES), wanted=dataclasses.replace(PLAIN, since_seconds=timedelta(minutes=5), timestamps=True))
def test_any_options_give_what_a_kubelet_gives(app: App, runs: tuple[Log, Log], wanted: Wanted) -> None:
    directory = app.job().directory
    for attempt, log in enumerate(runs):
        write(directory.log("main", attempt), log.content)
        write(directory.log_index("main", attempt), log.index())

    answer = app.logs(**wanted.request())

    log = runs[0 if wanted.previous else 1]
    assert answer.status_code == 200
    assert answer.content == log.printed(wanted.options(), seen=len(log.content), growing=False)
