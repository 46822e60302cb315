"""squeue's output becomes jobs. The texts were printed by squeue 22.05.8."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.slurm_state import SlurmState
from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.queue import JobInQueue, parse_queue, queue_format

REAL = """\
7|SEP|COMPLETED|SEP|1795500831|SEP|1795500832|SEP|1795500833|SEP|365-00:00:00|SEP|None|SEP|node1|SEP|/srv/pods|SEP|1001|SEP|ok|SEP|token with spaces | and pipe|SEP|
4|SEP|COMPLETED|SEP|1795500747|SEP|1795500749|SEP|1795500749|SEP|365-00:00:00|SEP|None|SEP|node[1-3]|SEP|/srv|SEP|1001|SEP|hostname|SEP|(null)|SEP|
19|SEP|COMPLETED|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|UNLIMITED|SEP|None|SEP|node1|SEP|/srv/pods|SEP|1001|SEP|ctl\x1f\x01|SEP|\x1f|SEP|
3|SEP|FAILED|SEP|1795500743|SEP|1795500743|SEP|1795500743|SEP|UNLIMITED|SEP|BadConstraints|SEP||SEP|/srv/pods|SEP|1001|SEP|wrap|SEP|(null)|SEP|
8|SEP|FAILED|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|365-00:00:00|SEP|NonZeroExitCode|SEP|node1|SEP|/srv/pods|SEP|1001|SEP|fail3|SEP|two
lines|SEP|
9|SEP|FAILED|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|365-00:00:00|SEP|JobLaunchFailure|SEP|node1|SEP|/srv/pods|SEP|1001|SEP|na|me x|SEP|(null)|SEP|
13_1|SEP|PENDING|SEP|1795500832|SEP|N/A|SEP|N/A|SEP|UNLIMITED|SEP|JobArrayTaskLimit|SEP||SEP|/srv/pods|SEP|1001|SEP|arr|SEP|(null)|SEP|
14|SEP|PENDING|SEP|1795500832|SEP|1795504432|SEP|NONE|SEP|UNLIMITED|SEP|BeginTime|SEP||SEP|/srv/pods|SEP|1001|SEP|big|SEP|(null)|SEP|
11|SEP|PENDING|SEP|1795500832|SEP|N/A|SEP|N/A|SEP|UNLIMITED|SEP|JobHeldUser|SEP||SEP|/srv/pods|SEP|1001|SEP|waiting|SEP|(null)|SEP|
22|SEP|PENDING|SEP|1795501089|SEP|N/A|SEP|N/A|SEP|UNLIMITED|SEP|Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions|SEP||SEP|/|SEP|1001|SEP|envtest|SEP|tok 1|SEP|
10|SEP|CANCELLED|SEP|1795500832|SEP|1795500832|SEP|1795500893|SEP|365-00:00:00|SEP|None|SEP|node1|SEP|/srv/pods|SEP|1001|SEP|cancelme|SEP|(null)|SEP|
13_0|SEP|RUNNING|SEP|1795500832|SEP|1795500832|SEP|1827036832|SEP|365-00:00:00|SEP|None|SEP|node1|SEP|/srv/pods|SEP|1001|SEP|arr|SEP|(null)|SEP|
12|SEP|TIMEOUT|SEP|1795500832|SEP|1795500832|SEP|1795500903|SEP|1:00|SEP|TimeLimit|SEP|node1|SEP|/srv/pods|SEP|1001|SEP|timeout|SEP|(null)|SEP|
"""  # noqa: E501 - one record a line, as printed


@pytest.fixture(scope="module")
def jobs() -> dict[str, JobInQueue]:
    return {job.job_id: job for job in parse_queue(REAL, "|SEP|")}


def test_a_finished_job_is_read_whole() -> None:
    assert parse_queue(REAL, "|SEP|")[0] == JobInQueue(
        job_id="7",
        state=SlurmState.COMPLETED,
        reason="None",
        nodes="node1",
        job_name="ok",
        comment="token with spaces | and pipe",
        submitted_at=datetime(2026, 11, 24, 6, 13, 51, tzinfo=UTC),
        started_at=datetime(2026, 11, 24, 6, 13, 52, tzinfo=UTC),
        ended_at=datetime(2026, 11, 24, 6, 13, 53, tzinfo=UTC),
        work_dir=Path("/srv/pods"),
        time_limit="365-00:00:00",
        uid=1001,
    )


def test_every_job_and_every_array_task_is_listed(jobs: dict[str, JobInQueue]) -> None:
    assert sorted(jobs) == sorted(["3", "4", "7", "8", "9", "10", "11", "12", "13_0", "13_1", "14", "19", "22"])


def test_free_text_with_pipes_newlines_and_control_characters_shifts_nothing(jobs: dict[str, JobInQueue]) -> None:
    assert (jobs["9"].job_name, jobs["9"].state) == ("na|me x", SlurmState.FAILED)
    assert jobs["8"].comment == "two\nlines"
    assert (jobs["19"].job_name, jobs["19"].comment) == ("ctl\x1f\x01", "\x1f")


def test_a_job_without_a_comment_has_an_empty_one(jobs: dict[str, JobInQueue]) -> None:
    assert jobs["4"].comment == ""


def test_the_forecast_of_a_start_is_not_a_start(jobs: dict[str, JobInQueue]) -> None:
    assert (jobs["14"].started_at, jobs["14"].ended_at) == (None, None)


def test_the_time_limit_of_a_running_job_is_not_its_end(jobs: dict[str, JobInQueue]) -> None:
    assert jobs["13_0"].started_at == datetime(2026, 11, 24, 6, 13, 52, tzinfo=UTC)
    assert jobs["13_0"].ended_at is None


def test_a_reason_is_told_in_slurms_words(jobs: dict[str, JobInQueue]) -> None:
    assert jobs["11"].reason == "JobHeldUser"
    assert jobs["22"].reason.startswith("Nodes required for job are DOWN")
    assert jobs["12"].reason == "TimeLimit"


def test_the_format_asks_for_as_many_fields_as_are_read() -> None:
    assert queue_format("|SEP|").count("|SEP|") == REAL.splitlines()[0].count("|SEP|")


def test_an_unknown_state_of_one_job_does_not_hide_the_others() -> None:
    states = [job.state for job in parse_queue(REAL.replace("TIMEOUT", "GLOWING"), "|SEP|")]

    assert states.count(SlurmState.UNKNOWN) == REAL.count("TIMEOUT")
    assert SlurmState.RUNNING in states


@given(st.one_of(st.text(), st.text("0123|SEP_RUNNING \n")))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    with suppress(UnreadableSlurmOutput):
        parse_queue(text, "|SEP|")


@given(st.lists(st.text(), min_size=12, max_size=12))
def test_no_record_makes_the_parser_fail_in_another_way(fields: list[str]) -> None:
    with suppress(UnreadableSlurmOutput):
        parse_queue("".join(f"{field}|SEP|" for field in fields), "|SEP|")
