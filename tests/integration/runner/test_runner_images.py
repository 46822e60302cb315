"""Images: files, and real pulls from a server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sidecar.domain.pod import (
    PullPolicy,
    RestartPolicy,
)
from sidecar.job_output import report
from sidecar.pod_files import directory
from tests.jobs import a_container, a_pod
from tests.running import Job, Starter, wait_until


def test_a_missing_image_file_is_told_from_a_failed_command(start: Starter) -> None:
    job = start(a_pod(a_container("main", "true", image="/no/such/image.sif")))

    assert job.finish() == 128
    assert job.story()[1:-1] == ["ImageFailed main.0", "ContainerTerminated main.0 128"]
    [failure] = [f for f in job.facts if isinstance(f, report.ImageFailed)]
    assert "no image file /no/such/image.sif" in failure.message


class Registry:
    """Serves the image over http and counts how often it was fetched."""

    def __init__(self, image: Path) -> None:
        self.fetched: list[str] = []
        outer = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                outer.fetched.append(f"{self.command} {self.path}")

        handler = partial(Handler, directory=str(image.parent))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{image.name}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def registry(image: Path) -> Iterator[Registry]:
    registry = Registry(image)
    yield registry
    registry.server.shutdown()
    registry.server.server_close()


def run_pulling(start: Starter, url: str, policy: PullPolicy, *names: str) -> Job:
    containers = [a_container(name, "echo", "here", image=url, pull_policy=policy) for name in names]
    job = start(a_pod(*containers))
    job.finish()
    return job


def test_an_image_is_fetched_once_for_all_containers_and_jobs(start: Starter, registry: Registry) -> None:
    job = run_pulling(start, registry.url, PullPolicy.IF_NOT_PRESENT, "a", "b")
    logs = [job.log("a"), job.log("b")]
    directory.remove(job.files)
    again = run_pulling(start, registry.url, PullPolicy.NEVER, "a")

    assert "ImagePulling a.0" in job.story()
    assert [*logs, again.log("a")] == ["here\n"] * 3
    assert [call.split()[0] for call in registry.fetched].count("GET") == 1
    assert "ImagePulling a.0" not in again.story()


def test_always_fetches_again(start: Starter, registry: Registry) -> None:
    directory.remove(run_pulling(start, registry.url, PullPolicy.ALWAYS, "a").files)
    once = len(registry.fetched)
    run_pulling(start, registry.url, PullPolicy.ALWAYS, "a")

    assert len(registry.fetched) > once


@pytest.mark.parametrize("policy", list(PullPolicy))
def test_an_image_that_cannot_be_had_says_why(start: Starter, registry: Registry, policy: PullPolicy) -> None:
    job = run_pulling(start, registry.url + ".absent", policy, "a")

    assert job.process.returncode == 128
    assert job.story()[-3:] == ["ImageFailed a.0", "ContainerTerminated a.0 128", "JobFinished 128"]
    [failure] = [f for f in job.facts if isinstance(f, report.ImageFailed)]
    assert ("imagePullPolicy is Never" if policy is PullPolicy.NEVER else "not found") in failure.message
    assert not list((job.files.root.parent / ".images").glob("*part*"))


def test_a_pod_that_always_runs_waits_for_its_image(start: Starter, tmp_path: Path, image: Path) -> None:
    missing = tmp_path / "late.sif"
    pod = a_pod(a_container("main", "echo", "here", image=str(missing)), restart_policy=RestartPolicy.ALWAYS)
    job = start(pod)
    wait_until(lambda: "ImageBackOff main.0" in job.story_so_far())
    missing.symlink_to(image)
    job.wait_for("here")
    job.terminate()
    job.finish()

    assert job.story()[1:3] == ["ImageBackOff main.0", "ContainerStarted main.0"]
