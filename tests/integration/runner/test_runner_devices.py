"""GPUs: which of the job's a container is told of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.pod import Container, ContainerRole, JobOptions, Resources
from tests.jobs import a_container, a_pod
from tests.running import Starter

SCRIPT = ("sh", "-c", "echo ${CUDA_VISIBLE_DEVICES-nothing}/$ROCR_VISIBLE_DEVICES")


def asking(name: str, role: ContainerRole = ContainerRole.MAIN, env: str = "", **devices: int) -> Container:
    own = {"CUDA_VISIBLE_DEVICES": env} if env else {}
    asked = Resources(devices=tuple((name.replace("_", ".com/"), count) for name, count in devices.items()))
    return replace(a_container(name, *SCRIPT, role=role, env=own), requests=asked)


CONTAINERS = [
    asking("setup", ContainerRole.INIT, nvidia_gpu=3),
    asking("one", nvidia_gpu=1),
    asking("two", amd_gpu=2),
    asking("knows", nvidia_gpu=1, env="7"),
    asking("fpga", vendor_fpga=1),
    asking("none"),
]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("0,1,4,5", ["0,1,4/", "0/", "1,4/", "7/", "/", "nothing/"]),
        ("0,1,4,5,6", [*["0,1,4,5,6/"] * 3, "7/", "0,1,4,5,6/", "nothing/"]),
        ("", [*["nothing/"] * 3, "7/", "nothing/", "nothing/"]),
    ],
    ids=["as many as asked for", "as a flag has asked for", "none that Slurm would name"],
)
def test_containers_side_by_side_are_told_of_different_gpus(start: Starter, given: str, told: list[str]) -> None:
    slurm = JobOptions(pre_exec=f"export CUDA_VISIBLE_DEVICES={given} ROCR_VISIBLE_DEVICES=")
    job = start(a_pod(*CONTAINERS, options=slurm))

    assert job.finish() == 0
    assert [job.log(container.name).strip() for container in CONTAINERS] == told
