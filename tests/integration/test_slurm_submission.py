"""Submitting with real programs: small scripts that answer, refuse, hang or die as sbatch does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.errors import SlurmRefused, SlurmUnreachable, UnreadableSlurmOutput
from sidecar.slurm.client import SlurmClient
from tests.running import wait_until, words_of

Install = Callable[..., SlurmClient]


def submit(client: SlurmClient, lock_fd: int | None = None) -> str:
    return client.sbatch(Path("/srv/pods/job.slurm"), lock_fd=lock_fd)


@pytest.mark.parametrize("printed", ["4711", "4711;cluster", "Welcome to the cluster\\n4711"])
def test_sbatch_answers_with_a_job_id(install: Install, printed: str) -> None:
    client = install(sbatch=f"echo 'sbatch: error: only a banner' >&2; printf '{printed}\\n'")

    assert submit(client) == "4711"


def test_sbatch_is_given_the_script_and_nothing_to_read(install: Install, tmp_path: Path) -> None:
    client = install(sbatch="printf '%s\\0' \"$@\" >$here/words; cat >$here/stdin; echo 1")

    submit(client)

    assert words_of(tmp_path / "words") == ["--parsable", "/srv/pods/job.slurm"]
    assert (tmp_path / "stdin").read_text() == ""


@pytest.mark.parametrize("printed", ["", "Submitted batch job 12", "12;", "-12"])
def test_success_without_a_job_id_is_an_error_of_its_own(install: Install, printed: str) -> None:
    with pytest.raises(UnreadableSlurmOutput, match="instead of a job id"):
        submit(install(sbatch=f"echo '{printed}'"))


def test_a_refusal_says_why(install: Install) -> None:
    client = install(sbatch="echo 'sbatch: error: Batch job submission failed: Invalid qos specification' >&2; exit 1")

    with pytest.raises(SlurmRefused, match=r"^Batch job submission failed: Invalid qos specification$"):
        submit(client)


def test_a_job_id_printed_before_a_failure_does_not_make_it_a_success(install: Install) -> None:
    with pytest.raises(SlurmRefused):
        submit(install(sbatch="echo 12; exit 1"))


def test_a_killed_sbatch_leaves_it_open_whether_the_job_exists(install: Install) -> None:
    with pytest.raises(SlurmUnreachable, match="killed by signal 9"):
        submit(install(sbatch="kill -9 $$"))


def test_sbatch_sees_little_of_our_environment(install: Install, tmp_path: Path) -> None:
    environ = {
        "SBATCH_PARTITION": "wrong",
        "PASSWORD": "secret",
        "SLURM_CONF": "/etc/my.conf",
        "LANG": "de_DE",
        "HOME": "/h",
    }
    client = install(environ=environ, sbatch="env -0 >$here/environment; echo 1")

    submit(client)

    seen = dict(word.split("=", 1) for word in words_of(tmp_path / "environment"))
    assert seen["SLURM_CONF"] == "/etc/my.conf"
    assert (seen["HOME"], seen["LANG"]) == ("/h", "C")
    assert seen.keys() & {"SBATCH_PARTITION", "PASSWORD", "SLURM_TIME_FORMAT"} == set()


def test_sbatch_inherits_the_lock_and_no_other_file(install: Install, tmp_path: Path) -> None:
    client = install(sbatch="for fd in /proc/$$/fd/*; do readlink $fd; done >$here/files; echo 1")
    with (tmp_path / "lock").open("w") as lock, (tmp_path / "other").open("w") as other:
        os.set_inheritable(other.fileno(), True)
        submit(client, lock.fileno())

    seen = (tmp_path / "files").read_text()
    assert str(tmp_path / "lock") in seen
    assert str(tmp_path / "other") not in seen


def test_signals_for_our_session_do_not_reach_sbatch(install: Install, tmp_path: Path) -> None:
    client = install(
        sbatch="read -r pid _ _ _ group session _ </proc/$$/stat; echo $pid $group $session >$here/ids; echo 1"
    )

    submit(client)

    pid, group, session = (tmp_path / "ids").read_text().split()
    assert pid == group == session


def test_an_sbatch_that_hangs_is_left_to_finish_and_keeps_the_lock_until_then(install: Install, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    client = install(timeout_seconds=0.5, sbatch="read -r _ <$here/gate; echo $$ >$here/submitted; echo 12")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SlurmUnreachable, match="still tries"):
            submit(client, lock.fileno())

    with (tmp_path / "lock").open("w") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (tmp_path / "gate").write_text("go\n")
        fcntl.flock(lock, fcntl.LOCK_EX)

    pid = (tmp_path / "submitted").read_text().strip()
    wait_until(lambda: not Path("/proc", pid).exists())  # a zombie would stay there
