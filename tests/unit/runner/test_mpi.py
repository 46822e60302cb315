"""Ranks: what each of them knows, and that it leaves nothing behind. A rank here is a real process, not a container."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sidecar.runner import mpi
from sidecar.runner.system.event_loop import Loop
from tests.running import wait_until
from tests.unit.runner.documents import a_pod, a_volume

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import PodDocument

PREPARE = "lambda folder, values, gate: open(folder + '/values', 'w').write(json.dumps(values))"


def start_rank(tmp_path: Path, *argv: str, **environment: str) -> subprocess.Popen[str]:
    """Start a rank as mpiexec does, with a private folder of the job in ``tmp_path``."""
    call = tmp_path / "call.json"
    values = {"OWN": "value", "PMI_SIZE": "own", "SLURM_TASK_PID": "99"}
    mpi.write_call(str(call), argv, {"OF": "runtime", "SLURM_NODEID": "0"}, values, {}, f"{tmp_path}/job")
    text = f"import json, sys\nfrom sidecar.runner import mpi\nsys.exit(mpi.run_rank(sys.argv[1], {PREPARE}))"
    return subprocess.Popen(
        [sys.executable, "-c", text, call],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def left(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("job.rank.*"))


def test_a_rank_runs_in_a_folder_of_its_own_and_its_code_passes_through(tmp_path: Path) -> None:
    show = 'ls -d "$1"; stat -c %a "$1"; cat "$1/values"; mkdir -m 0 "$1/locked"; exit 7'
    rank = start_rank(tmp_path, "sh", "-c", show, "sh", mpi.RANK_FOLDER, PMI_RANK="1", PMI_SIZE="2", SECRET="no")
    said, _ = rank.communicate(timeout=60)
    folder, mode, values = said.split("\n", 2)

    assert rank.returncode == 7
    assert folder.startswith(f"{tmp_path}/job.rank.")
    assert mode == "700"
    assert json.loads(values)["OWN"] == "value"
    assert json.loads(values)["PMI_SIZE"] == "2"
    assert not {"SECRET", "SLURM_TASK_PID"} & set(json.loads(values))
    assert not left(tmp_path)


def test_the_runtime_has_its_own_environment_with_the_nodes_path(tmp_path: Path) -> None:
    rank = start_rank(tmp_path, "env", PMI_RANK="1")
    said, _ = rank.communicate(timeout=60)

    assert sorted(said.splitlines()) == ["OF=runtime", f"PATH={os.environ['PATH']}"]


def test_the_mark_is_replaced_inside_of_words(tmp_path: Path) -> None:
    rank = start_rank(tmp_path, "echo", f"a={mpi.RANK_FOLDER}/env,b={mpi.RANK_FOLDER}")
    said, _ = rank.communicate(timeout=60)
    first, second = said.strip().split(",")

    assert first.removeprefix("a=") == second.removeprefix("b=") + "/env"


def test_a_request_to_end_reaches_the_container_and_the_folder_goes(tmp_path: Path) -> None:
    rank = start_rank(tmp_path, "sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done")
    assert rank.stdout is not None
    assert rank.stdout.readline() == "up\n"
    rank.send_signal(signal.SIGTERM)
    rank.communicate(timeout=60)

    assert rank.returncode == 3
    assert not left(tmp_path)


def test_a_killed_container_has_the_code_of_its_signal(tmp_path: Path) -> None:
    rank = start_rank(tmp_path, "sh", "-c", "kill -KILL $$")
    rank.communicate(timeout=60)

    assert rank.returncode == 137


def test_a_runtime_that_is_not_there_ends_the_rank_with_128(tmp_path: Path) -> None:
    rank = start_rank(tmp_path, "no-such-runtime")
    rank.communicate(timeout=60)

    assert rank.returncode == 128
    assert not left(tmp_path)


def test_a_killed_rank_takes_its_container_along_and_its_folder_can_be_cleaned(tmp_path: Path) -> None:
    rank = start_rank(tmp_path, "sh", "-c", "echo $$; exec sleep 600")
    assert rank.stdout is not None
    container = int(rank.stdout.readline())
    rank.kill()
    rank.communicate(timeout=60)
    wait_until(lambda: not Path(f"/proc/{container}").exists())
    assert left(tmp_path)

    mpi.remove_ranks(f"{tmp_path}/job")
    assert not left(tmp_path)


def test_a_rank_without_the_first_nodes_folder_has_one_in_tmp(tmp_path: Path) -> None:
    call = tmp_path / "call.json"
    mpi.write_call(str(call), ["true"], {}, {}, {}, f"{tmp_path}/gone/{tmp_path.name}")
    folder = mpi._make_rank_folder(f"{tmp_path}/gone/{tmp_path.name}")
    assert folder.startswith(f"/tmp/{tmp_path.name}.rank.")

    mpi.remove_ranks(f"{tmp_path}/gone/{tmp_path.name}")
    assert not Path(folder).exists()


def test_the_file_of_a_call_is_secret(tmp_path: Path) -> None:
    mpi.write_call(str(tmp_path / "call"), [], {}, {}, {}, "/private")

    assert stat.S_IMODE((tmp_path / "call").stat().st_mode) == 0o600


BATCH = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURMD_NODENAME": "n1", "SLURM_JOB_ID": "7"}
PROXY = {**BATCH, "SLURM_PROCID": "1", "SLURM_NODEID": "1", "SLURMD_NODENAME": "n2", "SLURM_STEP_ID": "0"}


def test_a_rank_has_its_own_number_and_its_own_node() -> None:
    hydra = {"PMI_RANK": "5", "PMI_SIZE": "8", "MPI_LOCALRANKID": "2", "PMIX_RANK": "1"}
    told = mpi.rank_variables({**BATCH, **hydra, "HOME": "/h", "SLURM_TASK_PID": "99"}, (PROXY, False))

    assert told == {
        **hydra,
        "SLURM_JOB_ID": "7",
        "SLURM_PROCID": "5",
        "SLURM_LOCALID": "2",
        "SLURM_NODEID": "1",
        "SLURMD_NODENAME": "n2",
    }


@pytest.mark.parametrize(
    ("variables", "rank", "local"),
    [
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "PMIX_RANK": "3"}, "3", "1"),
        ({"MV2_COMM_WORLD_RANK": "3", "MV2_COMM_WORLD_LOCAL_RANK": "0"}, "3", "0"),
        ({"PMIX_RANK": "4"}, "4", None),
        ({}, None, None),
    ],
)
def test_each_kind_of_mpi_tells_a_rank_its_number(
    variables: dict[str, str], rank: str | None, local: str | None
) -> None:
    told = mpi.rank_variables({**BATCH, **variables}, (PROXY, False))

    assert (told.get("SLURM_PROCID"), told.get("SLURM_LOCALID")) == (rank, local)


def test_a_rank_that_slurm_itself_started_keeps_what_slurm_says() -> None:
    assert mpi.rank_variables(PROXY, (PROXY, True)) == PROXY


def test_where_slurm_started_nothing_the_node_has_its_own_name() -> None:
    told = mpi.rank_variables({**BATCH, "PMI_RANK": "1"}, mpi._started_by_slurm())

    assert told == {"SLURM_JOB_ID": "7", "PMI_RANK": "1", "SLURM_PROCID": "1", "SLURMD_NODENAME": os.uname().nodename}


def test_mpiexec_starts_as_many_ranks_as_the_job_has_tasks() -> None:
    supervisor = ["python3", "-I", "-S", "/s.pyz"]

    assert mpi.mpiexec_call(["-l"], {"SLURM_NTASKS": "4"}, supervisor, "/f") == [
        *("mpiexec", "-np", "4", "-l", *supervisor, "rank", "/f")
    ]
    assert mpi.mpiexec_call([], {}, supervisor, "/f")[:3] == ["mpiexec", "-np", "1"]


TWO_NODES = {"SLURM_JOB_NUM_NODES": "2"}
FAST = [a_volume("work", "disk"), a_volume("fast", "memory")]


@pytest.mark.parametrize(
    ("document", "environment", "words"),
    [
        (a_pod(mpi=[], site={"shared_fs": False}), TWO_NODES, "mpi-flags on several nodes need SHARED_FS=true"),
        (a_pod(mpi=[], volumes=FAST), TWO_NODES, "volume fast: memory is of one node; "),
        (a_pod(mpi=[], volumes=FAST), {}, ""),
        (a_pod(volumes=FAST), TWO_NODES, ""),
        (a_pod(mpi=[]), TWO_NODES, ""),
    ],
)
def test_what_other_nodes_cannot_have_is_an_obstacle(
    document: PodDocument, environment: dict[str, str], words: str
) -> None:
    assert mpi.obstacle(document, environment).startswith(words)
    assert bool(mpi.obstacle(document, environment)) == bool(words)


def test_folders_on_other_nodes_are_removed_through_srun(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    srun = tmp_path / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\n')
    srun.chmod(0o755)
    (tmp_path / "job.rank.1").mkdir()
    environment = {"SLURM_JOB_NUM_NODES": "2", "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    loop = Loop()
    loop.run(mpi.clean_ranks(loop, f"{tmp_path}/job", environment, ["python3", "/s.pyz"]))

    assert not left(tmp_path)
    assert (tmp_path / "words").read_text().split() == [
        *("--overlap", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"),
        *("python3", "/s.pyz", "clean-ranks", f"{tmp_path}/job"),
    ]
