"""Reading a job's report, whoever wrote it."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.job_output import report
from sidecar.pod_files.paths import PodDirectory
from sidecar.runner.contract import facts as contract

STARTED = b'{"fact":"container_started","at":1732420000.123,"container":"main","attempt":0}\n'
END = b'{"fact":"container_terminated","at":1732420000,"container":"main","attempt":0,"code":1}\n'


@pytest.fixture
def files(tmp_path: Path) -> PodDirectory:
    files = PodDirectory(tmp_path / "pod")
    files.logs.mkdir(parents=True)
    return files


def test_every_fact_is_read_with_its_time_in_utc(files: PodDirectory) -> None:
    files.report.write_text(
        """\
{"fact":"job_started","at":1732420000.123,"job":"123_4","node":"n1"}
{"fact":"image_pulling","at":1732420000.123,"container":"main","attempt":0}
{"fact":"image_failed","at":1732420000.123,"container":"main","attempt":0}
{"fact":"container_started","at":1732420000.123,"container":"main","attempt":1}
{"fact":"container_terminated","at":1732420000.123,"container":"main","attempt":1,"code":137}
{"fact":"container_restarting","at":1732420000.123,"container":"main","attempt":2,"delay":10}
{"fact":"job_stopping","at":1732420000.123,"signal":"TERM"}
{"fact":"job_finished","at":1732420000,"code":3}
"""
    )
    at = datetime(2024, 11, 24, 3, 46, 40, 123000, tzinfo=UTC)

    found = report.read(files, 0)

    assert found.facts == (
        report.JobStarted(at=at, job="123_4", node="n1"),
        report.ImagePulling(at=at, container="main", attempt=0),
        report.ImageFailed(at=at, container="main", attempt=0),
        report.ContainerStarted(at=at, container="main", attempt=1),
        report.ContainerTerminated(at=at, container="main", attempt=1, code=137),
        report.ContainerRestarting(at=at, container="main", attempt=2, delay=10),
        report.JobStopping(at=at, signal="TERM"),
        report.JobFinished(at=at.replace(microsecond=0), code=3),
    )
    assert found.offset == files.report.stat().st_size
    assert found.skipped == 0


def test_reading_goes_on_where_it_stopped_and_leaves_an_unfinished_line(files: PodDirectory) -> None:
    files.report.write_bytes(STARTED + STARTED[:30])
    first = report.read(files, 0)
    files.report.write_bytes(STARTED + STARTED)
    second = report.read(files, first.offset)

    assert (len(first.facts), first.offset) == (1, len(STARTED))
    assert (len(second.facts), second.offset) == (1, 2 * len(STARTED))
    assert report.read(files, second.offset).facts == ()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"fact"',
        b'{"fact":["x"],"at":1}',
        b'{"fact":"unheard_of","at":1}',
        b'{"fact":"job_finished","at":1}',
        b'{"fact":"job_finished","at":NaN,"code":0}',
        b'{"fact":"job_finished","at":1e300,"code":0}',
        b'{"fact":"job_finished","at":"2024-11-24T00:00:00","code":0}',
        b'{"fact":"job_finished","at":1,"code":-1}',
        b'{"fact":"image_failed","at":1,"container":"main","attempt":0,"message":null}',
        b'{"fact":"image_failed","at":1,"container":"main","attempt":0,"message":["x"]}',
        b'{"fact":"container_started","at":1,"container":"../../etc/passwd","attempt":0}',
        b'{"fact":"container_started","at":1,"container":"main\\n","attempt":0}',
        b'{"fact":"container_started","at":1,"container":"main","attempt":99999999999}',
        b"\xff\xfe",
        b"[" * 5000,
        STARTED[:40] + STARTED.rstrip(b"\n"),
    ],
)
def test_what_is_no_fact_is_counted_and_passed_over(files: PodDirectory, line: bytes) -> None:
    files.report.write_bytes(STARTED + line + b"\n" + STARTED)

    found = report.read(files, 0)

    assert (len(found.facts), found.skipped) == (2, 1)


def test_one_call_reads_a_bounded_piece_and_the_next_ones_the_rest(files: PodDirectory) -> None:
    count = 2 * report.MAX_BYTES // len(STARTED)
    files.report.write_bytes(STARTED * count)
    offset, pieces = 0, []
    while (found := report.read(files, offset)).facts:
        offset = found.offset
        pieces.append(len(found.facts))

    assert sum(pieces) == count
    assert len(pieces) == 3


def test_a_piece_does_not_end_between_the_end_of_a_container_and_its_restart(files: PodDirectory) -> None:
    restart = b'{"fact":"container_restarting","at":1732420001,"container":"main","attempt":1,"delay":10}\n'
    room = report.MAX_BYTES - len(END) - 10
    filler = b"x" * (room % len(STARTED) + len(STARTED) - 1) + b"\n"
    before = filler + STARTED * ((room - len(filler)) // len(STARTED))
    files.report.write_bytes(before + END + restart)

    first = report.read(files, 0)
    second = report.read(files, first.offset)

    assert (len(before), first.offset) == (room, room)
    assert [type(fact) for fact in second.facts] == [report.ContainerTerminated, report.ContainerRestarting]


def test_an_endless_line_is_passed_over(files: PodDirectory) -> None:
    files.report.write_bytes(b"x" * report.MAX_BYTES + b"\n" + STARTED)

    first = report.read(files, 0)
    second = report.read(files, first.offset)

    assert (first.facts, first.skipped, first.offset) == ((), 1, report.MAX_BYTES)
    assert len(second.facts) == 1


def test_without_a_report_there_is_nothing(files: PodDirectory) -> None:
    assert report.read(files, 7) == report.Report(offset=7)


def test_what_was_put_in_the_report_s_place_is_not_read(files: PodDirectory, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(STARTED)
    files.report.symlink_to(secret)
    link = report.read(files, 0)
    files.report.unlink()
    os.mkfifo(files.report)
    pipe = report.read(files, 0)
    files.report.unlink()
    files.report.mkdir()
    folder = report.read(files, 0)

    assert link == pipe == folder == report.Report(offset=0)


def message(files: PodDirectory) -> str:
    files.report.write_text('{"fact":"image_failed","at":1,"container":"main","attempt":0}\n')
    [fact] = report.read(files, 0).facts
    assert isinstance(fact, report.ImageFailed)
    return fact.message


def test_a_failed_pull_speaks_with_the_runtime_s_errors(files: PodDirectory) -> None:
    files.pull_log("main").write_text("INFO: Fetching\n\x1b[31mFATAL:   \x1b[0mno such image\nERROR: really\nbye\n")

    assert message(files) == "FATAL:   no such image\nERROR: really"


def test_without_errors_its_last_words_count(files: PodDirectory) -> None:
    files.pull_log("main").write_text("first\n" * 1000 + "killed\n")

    assert message(files).endswith("first\nkilled")
    assert len(message(files)) == 1024


def test_a_pull_log_that_is_missing_or_a_link_gives_no_message(files: PodDirectory, tmp_path: Path) -> None:
    absent = message(files)
    (tmp_path / "secret").write_text("FATAL: secret")
    files.pull_log("main").symlink_to(tmp_path / "secret")

    assert (absent, message(files)) == ("", "")


VALUES = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists)
LINES = st.lists(
    st.binary(max_size=30)
    | st.just(STARTED)
    | st.dictionaries(st.sampled_from(["fact", "at", "container", "attempt", "code"]), VALUES).map(
        lambda value: json.dumps(value).encode() + b"\n"
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES)
def test_no_report_makes_the_reader_fail_or_go_back(files: PodDirectory, lines: list[bytes]) -> None:
    data = b"".join(lines)
    files.report.write_bytes(data)

    found = report.read(files, 0)

    assert found.offset == data.rfind(b"\n") + 1
    assert len(found.facts) + found.skipped == len(data[: found.offset].splitlines())


def test_a_containers_last_words_come_with_its_end(files: PodDirectory) -> None:
    files.report.write_bytes(END)
    files.words("main", 0, "message").write_bytes(b"disk \xff full\0")

    (end,) = report.read(files, 0).facts

    assert isinstance(end, report.ContainerTerminated)
    assert end.message == "disk \ufffd full\ufffd"


@pytest.mark.parametrize("forgery", ["link", "folder", "pipe", "closed"])
def test_words_that_cannot_be_read_do_not_keep_the_facts_back(
    files: PodDirectory, tmp_path: Path, forgery: str
) -> None:
    files.report.write_bytes(END)
    (tmp_path / "secret").write_text("secret")
    forge(forgery, files.words("main", 0, "message"), tmp_path / "secret")

    (end,) = report.read(files, 0).facts

    assert isinstance(end, report.ContainerTerminated)
    assert end.message == ""


def forge(forgery: str, words: Path, secret: Path) -> None:
    """Put something else in the words' place."""
    match forgery:
        case "link":
            words.symlink_to(secret)
        case "folder":
            words.mkdir()
        case "pipe":
            os.mkfifo(words)
        case _:
            words.touch(mode=0)


def test_no_more_words_are_taken_than_a_kubelet_takes(files: PodDirectory) -> None:
    files.report.write_bytes(END)
    files.words("main", 0, "message").write_text("x" * 10_000)

    (end,) = report.read(files, 0).facts

    assert isinstance(end, report.ContainerTerminated)
    assert end.message == "x" * 4096


def terminated(files: PodDirectory, message: str) -> str:
    """The message that the daemon takes from a fact that has one."""
    fact = {"fact": "container_terminated", "at": 1, "container": "main", "attempt": 0, "code": 1, "message": message}
    files.report.write_text(json.dumps(fact) + "\n")
    (end,) = report.read(files, 0).facts
    assert isinstance(end, report.ContainerTerminated)
    return end.message


def test_a_message_in_the_fact_wins_over_the_files(files: PodDirectory) -> None:
    files.words("main", 0, "message").write_text("from the file")

    assert terminated(files, "from the fact") == "from the fact"
    assert terminated(files, "") == ""


def test_the_longest_message_fits_however_it_is_escaped(files: PodDirectory) -> None:
    assert terminated(files, "\x01" * contract.MAX_MESSAGE_BYTES) == "\x01" * contract.MAX_MESSAGE_BYTES


def test_a_message_in_the_fact_is_bounded(files: PodDirectory) -> None:
    assert terminated(files, "ä" * 10_000) == "ä" * (contract.MAX_MESSAGE_BYTES // 2)


def test_a_message_in_the_fact_can_be_stored_whatever_it_holds(files: PodDirectory) -> None:
    assert terminated(files, "a\0b\ud800c") == "a\ufffdb?c"


@pytest.mark.parametrize(
    "more",
    [
        {"fact": "image_failed"},
        {"fact": "image_backoff", "tries": 1, "delay": 10},
        {"fact": "container_health", "started": True, "ready": False},
        {"fact": "container_unhealthy", "check": "liveness"},
    ],
)
def test_what_a_check_or_the_runtime_says_comes_with_the_fact(files: PodDirectory, more: dict[str, object]) -> None:
    fact = {"at": 1, "container": "main", "attempt": 0, "message": "x" * 5000, **more}
    files.report.write_text(json.dumps(fact) + "\n")

    (read,) = report.read(files, 0).facts

    assert getattr(read, "message", None) == "x" * contract.MAX_CHECK_BYTES


def test_a_node_that_cannot_be_stored_does_not_stop_the_others(files: PodDirectory) -> None:
    files.report.write_bytes(b'{"fact":"job_started","at":1,"job":"7","node":"n\\ud800"}\n')

    (started,) = report.read(files, 0).facts

    assert isinstance(started, report.JobStarted)
    assert started.node == "n?"


def test_daemon_and_supervisor_know_the_same_facts() -> None:
    known = {kind: tuple(f.name for f in fields(fact) if f.name != "at") for kind, fact in report.FACTS.items()}

    assert known == contract.FACTS


def test_the_daemon_does_without_optional_fields_only() -> None:
    optional = {f.name for fact in report.FACTS.values() for f in fields(fact) if f.default is not MISSING}

    assert optional == contract.OPTIONAL
