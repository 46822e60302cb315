"""Fixtures that run rendered scripts with real supervisors and real containers, without Slurm."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.domain.pod import Pod
from sidecar.pod_files import directory
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.site import JobSite
from tests.jobs import RUNTIME_OPTIONS, a_plan, with_image
from tests.running import Job, Starter, start_script

PYTHON = os.environ.get("SIDECAR_TEST_PYTHON", "")
"""Under which the supervisors run; by default what a job finds."""


@pytest.fixture(scope="session")
def image() -> Path:
    """A busybox image whose run script runs its arguments; ``scripts/test`` builds it."""
    return Path(os.environ["SIDECAR_TEST_IMAGE"])


@pytest.fixture
def start(tmp_path: Path, image: Path) -> Iterator[Starter]:
    """Write a pod's directory and start its script."""
    jobs: list[Job] = []

    def start(
        pod: Pod,
        *,
        site: JobSite | None = None,
        job_id: str = "123",
        again: bool = False,
        backoff: float = 1,
        tmpdir: Path | None = None,
        runtime_options: tuple[str, ...] = RUNTIME_OPTIONS,
    ) -> Job:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        pod = with_image(pod, image)
        site = site or JobSite(data_root=root)
        site = replace(site, data_root=root, runner_python=site.runner_python or PYTHON)
        files = PodDirectory.of(root, namespace=pod.namespace, uid=pod.uid)
        if not again:
            directory.write(pod, a_plan(pod, runtime_options=runtime_options), root=root, token="token", site=site)
        jobs.append(Job(files, start_script(files.script, tmp_path, job_id, backoff, tmpdir)))
        return jobs[-1]

    yield start
    for job in jobs:
        with job.process:
            if job.process.poll() is None:
                os.killpg(job.process.pid, signal.SIGKILL)
