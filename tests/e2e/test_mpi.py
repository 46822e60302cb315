"""MPI over two nodes: ranks are containers on both, and one pod all the same."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pods import a_container, a_pod, mounts, volumes
from tests.e2e.waiting import until
from tests.running import running
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet

ANNOTATIONS = {"slurm-job.vk.io/flags": "--nodes=2 --ntasks=2", "slurm-job.vk.io/mpi-flags": "true"}


@pytest.fixture(autouse=True, scope="module")
def two_nodes(image: Path) -> None:
    nodes = subprocess.run(["sinfo", "--noheader", "--Node", "--format=%N"], capture_output=True, text=True, check=True)
    if len(set(nodes.stdout.split())) < 2:
        pytest.fail("these tests need a Slurm of two nodes: run scripts/cluster start --nodes 2")


def a_parallel_pod(name: str, script: str, **spec: Any) -> Json:
    container = a_container(script=script, **mounts(work="/work"))
    return a_pod(name, container, annotations=ANNOTATIONS, **volumes(work={"emptyDir": {}}), **spec)


MEET = "touch /work/$PMI_RANK; until [ -e /work/0 ] && [ -e /work/1 ]; do sleep 0.1; done; "
"""Each rank waits for the other in the pod's volume."""


def test_every_rank_runs_on_its_node_and_shares_the_pod_s_volumes(vk: VirtualKubelet) -> None:
    init = a_container("setup", "echo once >>/work/log", **mounts(work="/work"))
    where = "node $SLURM_NODEID ($SLURMD_NODENAME) process $SLURM_PROCID"
    script = MEET + f'echo "$PMI_RANK of $PMI_SIZE {where}: $(cat /work/log)"; exit $((PMI_RANK * 5))'
    vk.create_pod(a_parallel_pod("ranks", script, initContainers=[init]))
    vk.wait_for("ranks", "Failed")

    first, second = nodes_of_the_job(vk.job_id_of("ranks"))
    assert sorted(vk.logs("ranks").splitlines()) == [
        f"0 of 2 node 0 ({first}) process 0: once",
        f"1 of 2 node 1 ({second}) process 1: once",
    ]
    assert vk.container("ranks")["state"]["terminated"]["exitCode"] == 5


def nodes_of_the_job(job_id: str) -> list[str]:
    queue = ["squeue", "--states=all", "--noheader", "--format=%N", f"--jobs={job_id}"]
    nodes = subprocess.run(queue, check=True, capture_output=True, text=True).stdout.strip()
    names = subprocess.run(["scontrol", "show", "hostnames", nodes], check=True, capture_output=True, text=True)
    return names.stdout.split()


SUM_OF_RANKS = """
import ctypes, sys
mpi = ctypes.CDLL(sys.argv[1])
world, number, total = ctypes.c_int(0x44000000), ctypes.c_int(0x4C000405), ctypes.c_int(0x58000003)
rank, result = ctypes.c_int(), ctypes.c_int()
mpi.MPI_Init(None, None)
mpi.MPI_Comm_rank(world, ctypes.byref(rank))
rank.value += 1
mpi.MPI_Allreduce(ctypes.byref(rank), ctypes.byref(result), 1, number, total, world)
print("the sum is", result.value)
mpi.MPI_Finalize()
"""
"""A program of MPICH's, whose handles are these numbers. Source: https://github.com/pmodels/mpich, src/include/mpi.h"""


def test_a_real_mpi_program_talks_across_the_nodes(vk: VirtualKubelet) -> None:
    library = ctypes.util.find_library("mpich")
    assert library, "this test needs MPICH: apt-get install mpich"
    program = os.path.realpath(sys.executable)
    folders = {"usr": "/usr", "lib": "/lib", "lib64": "/lib64"}
    if not program.startswith("/usr/"):
        folders["python"] = sys.base_prefix
    container = a_container(**mounts(**folders)) | {"command": [program, "-c", SUM_OF_RANKS, library]}
    sources = volumes(**{name: {"hostPath": {"path": path}} for name, path in folders.items()})
    vk.create_pod(a_pod("mpi", container, annotations=ANNOTATIONS, **sources))
    vk.wait_for("mpi", "Succeeded")

    assert vk.logs("mpi") == "the sum is 3\nthe sum is 3\n"


TMP_OF_THE_NODE = """awk '$5 == "/tmp" {print $4}' /proc/self/mountinfo; """


@pytest.mark.parametrize(
    ("name", "trap"), [("obedient", """trap 'echo "$PMI_RANK was told"; exit 3' TERM; """), ("deaf", "trap '' TERM; ")]
)
def test_a_deleted_mpi_pod_leaves_nothing_on_either_node(vk: VirtualKubelet, name: str, trap: str) -> None:
    sign = f"is={name}"
    script = f"{sign}; {trap}{TMP_OF_THE_NODE}{MEET}echo up; while :; do sleep 0.1; done"
    vk.create_pod(a_parallel_pod(f"mpi-{name}", script))
    vk.wait_for(f"mpi-{name}", "Running")
    until(lambda: vk.logs(f"mpi-{name}").count("up") == 2, "both ranks run")
    folders = [Path(line).parent for line in vk.logs(f"mpi-{name}").splitlines() if line.startswith("/")]
    assert len(folders) == 2
    assert running(sign)

    vk.delete_pod(f"mpi-{name}", grace_seconds=2)
    until(lambda: not running(sign), "all ranks end")
    until(lambda: not any(folder.exists() for folder in folders), "their folders on the nodes go")


def test_memory_volumes_are_refused_in_the_log_on_several_nodes(vk: VirtualKubelet) -> None:
    container = a_container(**mounts(fast="/fast"))
    source = {"emptyDir": {"medium": "Memory"}}
    vk.create_pod(a_pod("mpi-memory", container, annotations=ANNOTATIONS, **volumes(fast=source)))
    vk.wait_for("mpi-memory", "Failed")

    assert "volume fast: memory is of one node" in vk.logs("mpi-memory")
