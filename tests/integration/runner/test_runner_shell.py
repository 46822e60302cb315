"""The admin's and the user's shell texts around the containers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sidecar.domain.pod import (
    JobOptions,
)
from sidecar.pod_files.site import JobSite
from tests.running import Starter, running, shell, wait_until


def test_pre_exec_runs_after_the_claim_with_a_temporary_folder_of_its_own(start: Starter, tmp_path: Path) -> None:
    text = (
        "cat <<'EOF' > $TMPDIR/hello.sh\necho \"from $1\"\nEOF\nsh $TMPDIR/hello.sh here\n"
        "cat data/*/claim; echo $POD_IP; trap 'echo cleaned' EXIT\nset -eu; IFS=:; cd /"
    )
    site = JobSite(data_root=tmp_path, command_prefix="echo admin; export FROM_ADMIN='two words'")
    options = JobOptions(pre_exec=text, pod_ip="10.1.2.3", tunnel_commands="echo tunnel")
    job = start(shell("echo main", options=options), site=site)

    assert job.finish() == 0
    assert job.output.splitlines() == ["admin", "tunnel", "from here", "123", "10.1.2.3", "cleaned"]
    assert list((tmp_path / "node-tmp").iterdir()) == []


@pytest.mark.parametrize(("text", "code"), [("exit 4", 4), ("exit 0", 1), ("if then", 2), ("set -e; false", 1)])
def test_a_pre_exec_that_ends_the_job_is_a_failure(start: Starter, text: str, code: int) -> None:
    job = start(shell("echo main", options=JobOptions(pre_exec=text)))

    assert job.finish() == code
    assert job.story() == [f"JobFinished {code}"]


def test_a_job_told_to_stop_during_pre_exec_ends(start: Starter) -> None:
    job = start(shell("echo main", options=JobOptions(pre_exec="echo up > up; sleep 1")))
    wait_until((job.files.root.parent.parent / "up").exists)
    job.terminate()

    assert job.finish() == 143
    assert job.story() == ["JobStopping", "JobFinished 143"]


def test_text_on_the_runtime_s_line_and_mpi_come_before_it(start: Starter, tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    mpiexec = bin_folder / "mpiexec"
    mpiexec.write_text('#!/bin/bash\necho "mpiexec ${*:1:4} $FROM_LINE"\nshift 4\nexec "$@"\n')
    mpiexec.chmod(0o755)
    options = JobOptions(mpi_flags=("--x", "a b"), runtime_commands="FROM_LINE='user text'")
    site = JobSite(data_root=tmp_path, runtime_prefix="true && ")
    job = start(
        shell('trap "echo told; exit 0" TERM; echo up; while :; do sleep 0.1; done', options=options), site=site
    )
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 0
    assert job.log() == "mpiexec -np 2 --x a b user text\nup\ntold\n"


MESH = """cat <<'EOFMESH' > $TMPDIR/mesh.sh
#!/bin/bash
set -e
set -m
echo in the mesh
$@ &
fg 1
EOFMESH
"""


def test_full_mesh_runs_the_containers_inside_its_script(start: Starter) -> None:
    text = 'trap "echo told; exit 3" TERM; echo up; while :; do sleep 0.1; done'
    job = start(shell(text, options=JobOptions(pre_exec=MESH)))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 3
    assert job.output.startswith("in the mesh\n")
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 3", "JobFinished 3"]


def test_a_site_s_text_of_windows_lines_runs(start: Starter, tmp_path: Path) -> None:
    site = JobSite(data_root=tmp_path, command_prefix="if true; then\r\necho from the site\r\nfi\r\n")
    job = start(shell("echo main"), site=site)

    assert job.finish() == 0
    assert job.output.splitlines()[0] == "from the site"


@pytest.mark.parametrize("seconds", [0.02, 0.04, 0.06])
def test_a_stop_while_the_supervisor_begins_beside_a_shell_that_stays_starts_nothing(
    start: Starter, seconds: float
) -> None:
    job = start(shell("sleep 55", options=JobOptions(pre_exec="trap 'echo bye' EXIT"), grace_seconds=0))
    time.sleep(seconds)
    job.terminate()

    assert job.finish(10) in (143, 137)
    assert "bye" in job.output
    assert running("sleep 55") == []


def test_a_process_whose_name_the_kernel_cut_within_a_character_is_no_hindrance(start: Starter) -> None:
    text = 'cp /bin/sleep "$TMPDIR/éééééééé"; "$TMPDIR/éééééééé" 60 &'
    job = start(shell("exit 7", options=JobOptions(pre_exec=text)))

    assert job.finish() == 7
    assert job.output == ""
    assert job.story()[-1] == "JobFinished 7"
