"""Asking and cancelling with real programs: small scripts that answer, fail, hang or die as Slurm's do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from sidecar.domain.slurm_state import SlurmState
from sidecar.errors import AccountingDisabled, SlurmError, SlurmUnreachable
from sidecar.slurm.client import Programs, SlurmClient
from tests.running import wait_until, words_of

FORMAT_OF_SQUEUE = """
for word; do case $word in --format=*) line=${word#--format=} ;; esac; done
line=${line//%i/7} line=${line//%T/RUNNING} line=${line//%V/1795500831} line=${line//%S/1795500832}
line=${line//%e/1827036832} line=${line//%l/UNLIMITED} line=${line//%r/None} line=${line//%N/node1}
line=${line//%Z//srv/pods} line=${line//%U/1001} line=${line//%j/a|b} line=${line//%k/the token}
printf '%s\\n' "$line"
"""
FORMAT_OF_SACCT = """
for word; do case $word in --delimiter=*) d=${word#--delimiter=} ;; esac; done
printf '%s\\n' "7$d$d""FAILED${d}3:0${d}1795500831${d}1795500832${d}1795500833${d}1${d}00:00.013${d}1${d}mem=500M${d}\
main${d}pods${d}node1${d}a|b$d/srv/pods${d}1001$d$d"
"""

Install = Callable[..., SlurmClient]


def test_squeue_is_asked_once_for_all_our_jobs(install: Install, tmp_path: Path) -> None:
    client = install(squeue=f"printf '%s\\0' \"$@\" >>$here/words; {FORMAT_OF_SQUEUE}")

    (job,) = client.squeue()

    assert (job.job_id, job.state, job.job_name, job.comment) == ("7", SlurmState.RUNNING, "a|b", "the token")
    assert job.started_at == datetime(2026, 11, 24, 6, 13, 52, tzinfo=UTC)
    assert words_of(tmp_path / "words")[:-1] == ["--me", "--states=all", "--all", "--array", "--noheader"]


def test_squeue_can_be_asked_for_the_jobs_of_several_users(install: Install, tmp_path: Path) -> None:
    client = install(squeue="printf '%s\\0' \"$@\" >$here/words")

    assert client.squeue([1000, 1001]) == []
    assert words_of(tmp_path / "words")[0] == "--user=1000,1001"


def test_times_are_asked_for_in_seconds(install: Install) -> None:
    client = install(squeue="[[ $SLURM_TIME_FORMAT == %s ]]", sacct="[[ $SLURM_TIME_FORMAT == %s && $TZ == UTC0 ]]")

    assert client.squeue() == []
    assert client.sacct(["1"]) == []


def test_sacct_is_asked_for_every_run_of_the_jobs(install: Install, tmp_path: Path) -> None:
    client = install(sacct=f"printf '%s\\0' \"$@\" >$here/words; {FORMAT_OF_SACCT}")

    (account,) = client.sacct(["7", "13_1"])

    assert (account.exit_code, account.state, account.job_name) == (3, SlurmState.FAILED, "a|b")
    assert account.requested_memory_bytes == 500 * 1024**2
    assert words_of(tmp_path / "words")[0] == "--jobs=7,13_1"
    assert "--duplicates" in words_of(tmp_path / "words")


def test_sacct_finds_jobs_by_name_since_a_moment_in_universal_time(install: Install, tmp_path: Path) -> None:
    client = install(sacct="printf '%s\\0' \"$@\" >$here/words")
    since = datetime(2026, 11, 24, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert client.sacct_by_name(["pod a", "x,y", "pod-b"], since=since) == []

    assert words_of(tmp_path / "words")[:2] == ["--name=pod a,pod-b", "--starttime=2026-11-23T23:30:00"]


def test_asking_for_no_jobs_starts_nothing(install: Install, tmp_path: Path) -> None:
    client = install(sacct="touch $here/started")

    assert client.sacct([]) == []
    assert client.sacct_by_name(["a,b"], since=datetime.now(UTC)) == []
    assert not (tmp_path / "started").exists()


def test_more_jobs_than_fit_into_one_argument_are_asked_for_in_a_few_calls(install: Install, tmp_path: Path) -> None:
    client = install(sacct="echo ${1#--jobs=} >>$here/lists")
    job_ids = [str(number) for number in range(1_000_000, 1_020_000)]

    client.sacct(job_ids)

    lists = (tmp_path / "lists").read_text().splitlines()
    assert ",".join(lists).split(",") == job_ids
    assert len(lists) == 2


def test_a_cluster_without_accounting_is_told_from_a_database_that_is_down(install: Install) -> None:
    with pytest.raises(AccountingDisabled):
        install(sacct="echo 'Slurm accounting storage is disabled' >&2; exit 1").sacct(["1"])
    with pytest.raises(SlurmUnreachable, match="Problem talking to the database"):
        install(sacct="echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1").sacct(
            ["1"]
        )


def test_an_answer_on_stdout_does_not_make_a_failure_a_success(install: Install) -> None:
    with pytest.raises(SlurmUnreachable, match="Unable to contact"):
        install(
            squeue=f"{FORMAT_OF_SQUEUE}; echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
        ).squeue()


def test_a_program_that_hangs_is_stopped_with_all_it_started(install: Install, tmp_path: Path) -> None:
    client = install(timeout_seconds=2, squeue="sleep 1000 & echo $! $$ >$here/pids; wait")

    with pytest.raises(SlurmUnreachable, match=r"squeue did not answer within 2 s and was stopped"):
        client.squeue()

    mine = (tmp_path / "pids").read_text().split()[1]
    wait_until(lambda: not Path("/proc", mine).exists())
    sleeper = Path("/proc", (tmp_path / "pids").read_text().split()[0], "stat")
    wait_until(lambda: not sleeper.exists() or " Z " in sleeper.read_text())


def test_a_program_that_leaves_something_behind_is_not_waited_for(install: Install) -> None:
    client = install(sinfo="sleep 20 & echo 'slurm 24.05.4'")

    assert client.version("sinfo") == "slurm 24.05.4"


def test_a_program_that_is_not_there_is_named(install: Install) -> None:
    client = SlurmClient(Programs(squeue="/nowhere/squeue"), timeout_seconds=60, environ={})

    with pytest.raises(SlurmUnreachable, match="/nowhere/squeue could not be started: No such file"):
        client.squeue()


def test_output_larger_than_any_pipe_is_read_whole(install: Install) -> None:
    client = install(sinfo="head -c 3000000 /dev/zero | tr '\\0' x")

    assert len(client.version("sinfo")) == 3_000_000


def test_sinfo_tells_the_capacity(install: Install, tmp_path: Path) -> None:
    client = install(sinfo="printf '%s\\0' \"$@\" >$here/words; echo HEADING; echo n1 main up idle 8 1000 gpu:a100:2")

    reading = client.sinfo()

    assert (reading.total_cpus, reading.memory_bytes, reading.gpus) == (8, 1000 * 1024**2, 2)
    assert words_of(tmp_path / "words") == ["--Node", "--format=%N %P %a %T %c %m %G"]


def test_scancel_cancels_or_sends_a_signal_to_the_script(install: Install, tmp_path: Path) -> None:
    client = install(scancel="printf '%s\\0' \"$@\" >>$here/words")

    client.scancel("12")
    client.scancel("13_1", signal="TERM", batch_only=True)

    assert words_of(tmp_path / "words") == ["12", "--batch", "--signal=TERM", "13_1"]


def test_a_signal_that_slurm_does_not_deliver_is_an_error(install: Install) -> None:
    client = install(scancel="echo 'scancel: error: Kill job error on job id 12: Invalid job id specified' >&2; exit 1")

    with pytest.raises(SlurmError, match="Invalid job id specified"):
        client.scancel("12", signal="TERM")


@pytest.mark.parametrize("job_id", ["", "-1", "--user=root", "12 13", "12,13", "12_", "12\n", "12;x", "1.batch"])
def test_only_job_ids_enter_a_command_line(install: Install, tmp_path: Path, job_id: str) -> None:
    client = install(scancel="touch $here/started", sacct="touch $here/started")

    with pytest.raises(SlurmError, match="not the id of a Slurm job"):
        client.scancel(job_id)
    with pytest.raises(SlurmError, match="not the id of a Slurm job"):
        client.sacct(["1", job_id])
    with pytest.raises(SlurmError, match="not a signal"):
        client.scancel("1", signal="TERM --user=root")
    assert not (tmp_path / "started").exists()
