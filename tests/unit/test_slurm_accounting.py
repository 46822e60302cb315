"""sacct's output becomes accounts. The texts were printed by sacct 22.05.8."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.slurm_state import SlurmState
from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.accounting import ACCOUNT_FORMAT, JobAccount, parse_accounts

REAL = """\
11|SEP||SEP|PENDING|SEP|0:0|SEP|1795500736|SEP|1795500736|SEP|Unknown|SEP|535|SEP|00:00:00|SEP|0|SEP||SEP||SEP|pods|SEP|node1|SEP|allocation|SEP||SEP||SEP||SEP|
11.batch|SEP||SEP|RUNNING|SEP|0:0|SEP|1795500736|SEP|1795500736|SEP|Unknown|SEP|535|SEP|00:00:00|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
7|SEP||SEP|COMPLETED|SEP|0:0|SEP|1795500831|SEP|1795500832|SEP|1795500833|SEP|1|SEP|00:00.013|SEP|1|SEP|billing=1,cpu=1,mem=500M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|ok|SEP|/srv/pods|SEP|1001|SEP|token with spaces | and pipe|SEP|
7.batch|SEP||SEP|COMPLETED|SEP|0:0|SEP|1795500832|SEP|1795500832|SEP|1795500833|SEP|1|SEP|00:00.011|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
7.0|SEP||SEP|COMPLETED|SEP|0:0|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|0|SEP|00:00.001|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|true|SEP||SEP||SEP||SEP|
8|SEP||SEP|FAILED|SEP|3:0|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|0|SEP|00:00.001|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|fail3|SEP|/srv/pods|SEP|1001|SEP|two
lines|SEP|
8.batch|SEP||SEP|FAILED|SEP|3:0|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|0|SEP|00:00.001|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
9|SEP||SEP|FAILED|SEP|0:9|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|0|SEP|00:00.001|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|na|me x|SEP|/srv/pods|SEP|1001|SEP||SEP|
9.batch|SEP||SEP|CANCELLED|SEP|0:9|SEP|1795500832|SEP|1795500832|SEP|1795500832|SEP|0|SEP|00:00.001|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
10|SEP||SEP|CANCELLED by 1001|SEP|0:0|SEP|1795500832|SEP|1795500832|SEP|1795500893|SEP|61|SEP|00:00.001|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|cancelme|SEP|/srv/pods|SEP|1001|SEP||SEP|
10.batch|SEP|3100672|SEP|CANCELLED|SEP|0:15|SEP|1795500832|SEP|1795500832|SEP|1795500893|SEP|61|SEP|00:00.001|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
12|SEP||SEP|TIMEOUT|SEP|0:15|SEP|1795500832|SEP|1795500832|SEP|1795500903|SEP|71|SEP|00:00.001|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|short|SEP|pods|SEP|node1|SEP|timeout|SEP|/srv/pods|SEP|1001|SEP||SEP|
12.batch|SEP|3162112|SEP|CANCELLED|SEP|0:15|SEP|1795500832|SEP|1795500832|SEP|1795500903|SEP|71|SEP|00:00.001|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
15|SEP||SEP|COMPLETED|SEP|0:0|SEP|1795500832|SEP|1795500832|SEP|1795500838|SEP|6|SEP|00:00.350|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|rss|SEP|/srv/pods|SEP|1001|SEP||SEP|
15.batch|SEP|209756160|SEP|COMPLETED|SEP|0:0|SEP|1795500832|SEP|1795500832|SEP|1795500838|SEP|6|SEP|00:00.350|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
16|SEP||SEP|REQUEUED|SEP|0:0|SEP|1795500832|SEP|1795500832|SEP|1795500893|SEP|61|SEP|00:00.001|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|requeue|SEP|/srv/pods|SEP|1001|SEP||SEP|
16.batch|SEP|3211264|SEP|CANCELLED|SEP|0:15|SEP|1795500832|SEP|1795500832|SEP|1795500893|SEP|61|SEP|00:00.001|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
17|SEP||SEP|COMPLETED|SEP|0:0|SEP|1795500832|SEP|1795500832|SEP|1795500833|SEP|1|SEP|00:00.002|SEP|1|SEP|billing=1,cpu=1,gres/gpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|gpu|SEP|/srv/pods|SEP|1001|SEP||SEP|
13_1|SEP||SEP|COMPLETED|SEP|0:0|SEP|1795500832|SEP|1795500852|SEP|1795500872|SEP|20|SEP|00:00.002|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|node1|SEP|arr|SEP|/srv/pods|SEP|1001|SEP||SEP|
13_1.batch|SEP|3031040|SEP|COMPLETED|SEP|0:0|SEP|1795500852|SEP|1795500852|SEP|1795500872|SEP|20|SEP|00:00.002|SEP|1|SEP||SEP||SEP|pods|SEP|node1|SEP|batch|SEP||SEP||SEP||SEP|
16|SEP||SEP|PENDING|SEP|0:0|SEP|1795500893|SEP|Unknown|SEP|Unknown|SEP|0|SEP|00:00:00|SEP|1|SEP|billing=1,cpu=1,mem=64000M,node=1|SEP|main|SEP|pods|SEP|None assigned|SEP|requeue|SEP|/srv/pods|SEP|1001|SEP||SEP|
"""  # noqa: E501 - one record a line, as printed


def accounts_of(job_id: str) -> list[JobAccount]:
    return [account for account in parse_accounts(REAL, "|SEP|") if account.job_id == job_id]


def the_account_of(job_id: str) -> JobAccount:
    (account,) = accounts_of(job_id)
    return account


def test_an_account_is_read_whole() -> None:
    assert the_account_of("7") == JobAccount(
        job_id="7",
        state=SlurmState.COMPLETED,
        exit_code=0,
        signal=0,
        submitted_at=datetime(2026, 11, 24, 6, 13, 51, tzinfo=UTC),
        started_at=datetime(2026, 11, 24, 6, 13, 52, tzinfo=UTC),
        ended_at=datetime(2026, 11, 24, 6, 13, 53, tzinfo=UTC),
        elapsed_seconds=1,
        cpu_seconds=0.013,
        max_rss_bytes=None,
        allocated_cpus=1,
        requested_memory_bytes=500 * 1024**2,
        partition="main",
        account="pods",
        nodes="node1",
        job_name="ok",
        work_dir=Path("/srv/pods"),
        comment="token with spaces | and pipe",
        uid=1001,
    )


def test_steps_are_folded_into_their_job() -> None:
    assert [account.job_id for account in parse_accounts(REAL, "|SEP|")] == (
        ["11", "7", "8", "9", "10", "12", "15", "16", "17", "13_1", "16"]
    )
    assert the_account_of("15").max_rss_bytes == 209756160


def test_the_largest_step_gives_the_memory_used() -> None:
    text = REAL.replace("7.batch|SEP||SEP|", "7.batch|SEP|3000K|SEP|").replace("7.0|SEP||SEP|", "7.0|SEP|2M|SEP|")

    assert parse_accounts(text, "|SEP|")[1].max_rss_bytes == 3000 * 1024


def test_exit_codes_and_signals_are_told_apart() -> None:
    assert (the_account_of("8").exit_code, the_account_of("8").signal) == (3, 0)
    assert (the_account_of("9").exit_code, the_account_of("9").signal) == (0, 9)


def test_a_cancelled_job_is_cancelled_whatever_its_exit_code() -> None:
    assert the_account_of("10").state is SlurmState.CANCELLED
    assert the_account_of("10").exit_code == 0


def test_a_requeued_job_has_an_account_for_each_run() -> None:
    first, second = accounts_of("16")

    assert (first.state, second.state) == (SlurmState.REQUEUED, SlurmState.PENDING)
    assert first.submitted_at is not None
    assert second.submitted_at is not None
    assert first.submitted_at < second.submitted_at
    assert (second.started_at, second.ended_at, second.nodes) == (None, None, "")


def test_free_text_with_pipes_and_newlines_shifts_nothing() -> None:
    assert the_account_of("9").job_name == "na|me x"
    assert the_account_of("8").comment == "two\nlines"


def test_requested_memory_is_found_among_other_resources() -> None:
    assert the_account_of("17").requested_memory_bytes == 64000 * 1024**2
    assert the_account_of("11").requested_memory_bytes is None


def test_a_job_whose_record_was_lost_is_told_without_failing() -> None:
    assert (the_account_of("11").job_name, the_account_of("11").allocated_cpus) == ("allocation", 0)


def test_a_step_without_its_job_is_an_error() -> None:
    with pytest.raises(UnreadableSlurmOutput, match=r"step '7\.batch' without its job"):
        parse_accounts(REAL[REAL.index("7.batch") :], "|SEP|")


def test_the_format_asks_for_as_many_fields_as_are_read() -> None:
    assert len(ACCOUNT_FORMAT.split(",")) == REAL.splitlines()[0].count("|SEP|")


@given(st.lists(st.text(), min_size=18, max_size=18))
def test_no_record_makes_the_parser_fail_in_another_way(fields: list[str]) -> None:
    with suppress(UnreadableSlurmOutput):
        parse_accounts("".join(f"{field}|SEP|" for field in fields), "|SEP|")


@given(st.data())
def test_no_damaged_output_makes_the_parser_fail_in_another_way(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(REAL)))
    end = data.draw(st.integers(start, len(REAL)))
    with suppress(UnreadableSlurmOutput):
        parse_accounts(REAL[:start] + data.draw(st.text(max_size=5)) + REAL[end:], "|SEP|")
