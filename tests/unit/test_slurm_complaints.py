"""What Slurm's programs say when they fail. The texts were printed by Slurm 22.05.8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import AccountingDisabled, SlurmError, SlurmRefused, SlurmUnreachable
from sidecar.slurm.complaints import failure, refusal, words
from sidecar.slurm.process import Answer

NO_MUNGE = """\
sbatch: error: If munged is up, restart with --num-threads=10
sbatch: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2": No such file or directory
sbatch: error: slurm_send_node_msg: auth_g_create: REQUEST_SUBMIT_BATCH_JOB has authentication error
sbatch: error: Batch job submission failed: Protocol authentication error
"""
NO_DATABASE = """\
sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:db:6819: Connection refused
sacct: error: Sending PersistInit msg: Connection refused
sacct: error: Problem talking to the database: Connection refused
"""  # noqa: E501 - as printed
NO_CONFIGURATION = """\
sbatch: error: s_p_parse_file: cannot stat file /etc/slurm/slurm.conf: No such file or directory, retrying in 1sec up to 60sec
sbatch: error: ClusterName needs to be specified
sbatch: fatal: Unable to process configuration file
"""  # noqa: E501 - as printed


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        (
            "sbatch: error: invalid partition specified: nope\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
            "invalid partition specified: nope; Batch job submission failed: Invalid partition name specified",
        ),
        (
            "sbatch: unrecognized option '--nosuch'\nTry \"sbatch --help\" for more information\n",
            "unrecognized option '--nosuch'",
        ),
    ],
)
def test_a_definite_answer_is_a_refusal_in_slurms_own_words(stderr: str, message: str) -> None:
    error = refusal("/usr/bin/sbatch", Answer(code=1, stderr=stderr))

    assert type(error) is SlurmRefused
    assert str(error) == message


@pytest.mark.parametrize(
    "stderr",
    [
        NO_MUNGE,
        NO_CONFIGURATION,
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received\n",
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable\n",
        "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode\n",
    ],
)
def test_a_controller_that_cannot_be_heard_is_no_refusal(stderr: str) -> None:
    error = refusal("sbatch", Answer(code=1, stderr=stderr))

    assert type(error) is SlurmUnreachable
    assert error.transient


@pytest.mark.parametrize("code", [-9, -15, 126, 127, 137, 143])
def test_an_sbatch_that_was_killed_or_not_found_by_its_wrapper_is_no_refusal(code: int) -> None:
    assert type(refusal("sbatch", Answer(code=code))) is SlurmUnreachable


def test_a_script_that_is_too_large_is_told_as_that() -> None:
    stderr = "sbatch: error: Batch job submission failed: Pathname of a file, directory or other parameter too long\n"
    error = refusal("sbatch", Answer(code=1, stderr=stderr))

    assert type(error) is SlurmRefused
    assert "max_script_size" in str(error)


def test_the_last_line_decides_after_retries() -> None:
    stderr = (
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"
    )

    assert type(refusal("sbatch", Answer(code=1, stderr=stderr))) is SlurmRefused


def test_a_sites_banner_is_not_among_the_words() -> None:
    stderr = "*** Welcome to Cluster ***\nMaintenance on Monday\n\nsbatch: error: Unable to open file x\n"

    assert words("sbatch", Answer(code=1, stderr=stderr)) == "Unable to open file x"


def test_words_without_a_prefix_are_kept_and_long_ones_are_cut() -> None:
    assert words("sbatch", Answer(code=1, stderr="no quota left\n")) == "no quota left"
    assert len(words("sbatch", Answer(code=1, stderr="sbatch: error: " + "too long " * 500))) <= 500


def test_silence_is_told_with_the_exit_code_or_the_signal() -> None:
    assert words("/usr/bin/sbatch", Answer(code=1)) == "sbatch exited with code 1 and said nothing"
    assert words("squeue", Answer(code=-9)) == "squeue was killed by signal 9 and said nothing"


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("Slurm accounting storage is disabled\n", AccountingDisabled),
        (NO_DATABASE, SlurmUnreachable),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", SlurmUnreachable),
        ("slurm_load_partitions: Protocol authentication error\n", SlurmUnreachable),
        ("scancel: error: Kill job error on job id 12: Invalid job id specified\n", SlurmError),
    ],
)
def test_other_failures_say_whether_asking_again_can_help(stderr: str, kind: type[SlurmError]) -> None:
    assert type(failure("slurm", Answer(code=1, stderr=stderr))) is kind


@given(st.text(), st.integers(-64, 255))
def test_any_stderr_gives_an_error_with_words(stderr: str, code: int) -> None:
    answer = Answer(code=code, stderr=stderr)

    assert str(refusal("sbatch", answer))
    assert str(failure("squeue", answer))
