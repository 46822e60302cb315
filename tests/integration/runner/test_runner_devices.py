"""GPUs: which ones a container is told of."""

from __future__ import annotations

from dataclasses import replace

from sidecar.domain.pod import JobOptions, Resources
from tests.jobs import a_container, a_pod
from tests.running import Starter


def test_only_a_container_that_asks_for_a_device_is_told_what_slurm_gave_the_job(start: Starter) -> None:
    script = ("sh", "-c", "echo $CUDA_VISIBLE_DEVICES/$ROCR_VISIBLE_DEVICES")
    asking = Resources(devices=(("nvidia.com/gpu", 2),))
    containers = [
        replace(a_container("asks", *script), requests=asking),
        replace(a_container("knows", *script, env={"CUDA_VISIBLE_DEVICES": "7"}), requests=asking),
        a_container("none", *script),
    ]
    slurm = JobOptions(pre_exec="export CUDA_VISIBLE_DEVICES=0,3 ROCR_VISIBLE_DEVICES=")
    job = start(a_pod(*containers, options=slurm))

    assert job.finish() == 0
    assert [job.log(name) for name in ("asks", "knows", "none")] == ["0,3/\n", "7/\n", "/\n"]
