"""The log reader against the model of the kubelet's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.job_output.log_reader import BLOCK_BYTES, LogFollower, LogOptions, read
from sidecar.job_output.log_times import PIECE_BYTES
from tests.kubelet_logs import LENGTH, MOMENTS, START, Entry, Log, logs, write

OPTIONS = st.builds(
    LogOptions,
    tail=st.sampled_from([None, 0, 1, 2, 3, 10, 1000, 10**9]),
    limit_bytes=st.one_of(st.sampled_from([None, 0, 10**9]), st.integers(1, 2 * BLOCK_BYTES), st.integers(1, 100)),
    timestamps=st.booleans(),
    since=st.one_of(
        st.none(), MOMENTS.map(START.__add__), st.just(START + 2 * LENGTH), st.just(datetime.min.replace(tzinfo=UTC))
    ),
)
STEPS = st.lists(st.integers(0, 3 * BLOCK_BYTES) | st.integers(0, 200), max_size=5).map(sorted)
EXACT = b"x" * PIECE_BYTES + b"\n"
ZERO = timedelta(0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@settings(max_examples=400, deadline=None)
@given(log=logs(), options=OPTIONS, growing=st.booleans())
@example(log=Log(b"one\ntwo\nthree", (), b""), options=LogOptions(tail=1), growing=True)
@example(log=Log(EXACT, (Entry(ZERO, PIECE_BYTES),), b""), options=LogOptions(timestamps=True), growing=False)
@example(log=Log(EXACT, (Entry(ZERO, PIECE_BYTES),), b""), options=LogOptions(since=START + LENGTH), growing=False)
def test_reading_prints_what_a_kubelet_prints(directory: Path, log: Log, options: LogOptions, growing: bool) -> None:
    file = write(directory / "main.0.log", log.content)
    index = write(directory / "main.0.index", log.index())

    printed = b"".join(read(file, index, options, growing=growing))

    assert printed == log.printed(options, seen=len(log.content), growing=growing)


@settings(max_examples=400, deadline=None)
@given(log=logs(), options=OPTIONS, steps=STEPS, growing=st.booleans())
@example(log=Log(b"one\ntwo\nthree", (), b""), options=LogOptions(tail=1, timestamps=True), steps=[5, 9], growing=True)
def test_following_prints_what_a_kubelet_prints(
    directory: Path, log: Log, options: LogOptions, steps: list[int], growing: bool
) -> None:
    sizes = [*(size for size in steps if size < len(log.content)), len(log.content)]
    file, index = directory / "main.1.log", write(directory / "main.1.index", log.index())
    file.unlink(missing_ok=True)
    follower = LogFollower(file, index, options, growing=growing)

    printed = [follower.read_available()]
    for size in sizes:
        write(file, log.content[:size])
        printed += iter(follower.read_available, b"")
    printed += follower.drain()

    assert b"".join(printed) == log.printed(options, seen=sizes[0], growing=growing)
    assert max(map(len, printed)) <= 32 * BLOCK_BYTES
