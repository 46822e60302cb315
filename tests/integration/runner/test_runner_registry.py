"""Images of a real registry, pulled by real jobs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.domain import logins
from sidecar.domain.logins import Login
from sidecar.domain.pod import PullPolicy, RestartPolicy
from sidecar.job_output import report
from sidecar.pod_files.image_cache import cache_key, listed
from sidecar.pod_files.site import JobSite
from tests import registry as registries
from tests.jobs import a_container, a_pod
from tests.registry import PASSWORD, Registry
from tests.running import STAYS, Job, Starter, wait_until

Logins = tuple[Login, ...]
SITE = JobSite(data_root=Path(), command_prefix="export APPTAINER_NOHTTPS=1")


@pytest.fixture(scope="module")
def registry(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.running(tmp_path_factory.mktemp("registry") / "open") as registry:
        yield registry


@pytest.fixture(scope="module")
def private(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.running(tmp_path_factory.mktemp("registry") / "private", private=True) as registry:
        registry.push("lab/secret")
        yield registry


class Jobs:
    """Starts pods of one container, each a pod and a job of its own."""

    def __init__(self, start: Starter) -> None:
        self._start = start
        self._number = 100

    def start(
        self,
        image: str,
        *command: str,
        pull: PullPolicy = PullPolicy.IF_NOT_PRESENT,
        restart: RestartPolicy = RestartPolicy.NEVER,
        login: Logins = (),
        namespace: str = "lab",
        backoff: float = 1,
    ) -> Job:
        self._number += 1
        pod = a_pod(a_container("main", *command, image=f"docker://{image}", pull_policy=pull), restart_policy=restart)
        pod = replace(pod, uid=str(uuid.uuid4()), logins=login, namespace=namespace)
        job: Job = self._start(pod, site=SITE, job_id=str(self._number), backoff=backoff)
        return job

    def run(self, image: str, *command: str, **more: Any) -> Job:
        job = self.start(image, *command, **more)
        job.finish()
        return job


@pytest.fixture
def jobs(start: Starter) -> Jobs:
    return Jobs(start)


def why(job: Job) -> str:
    [failure] = [f for f in job.facts if isinstance(f, report.ImageFailed)]
    return failure.message


def login_to(registry: Registry, password: str = PASSWORD) -> Logins:
    return logins.parse(json.dumps(registries.login(registry.host, password)).encode())


def test_the_image_decides_what_runs_unless_the_pod_does(registry: Registry, jobs: Jobs) -> None:
    registry.push("lab/rules", Entrypoint=["/bin/echo", "entry"], Cmd=["cmd"], Env=["PATH=/bin", "GREETING=hi there"])
    image = f"{registry.host}/lab/rules:1"

    assert jobs.run(image).log() == "entry cmd\n"
    assert jobs.run(image, "/bin/sh", "-c", 'echo "$GREETING"').log() == "hi there\n"


def test_jobs_at_the_same_time_pull_an_image_once(registry: Registry, jobs: Jobs) -> None:
    registry.push("lab/burst")
    burst = [jobs.start(f"{registry.host}/lab/burst:1", "echo", "here") for _ in range(6)]

    assert [(job.finish(), job.log()) for job in burst] == [(0, "here\n")] * 6
    assert registry.downloads("lab/burst") == 1


def test_always_asks_the_registry_and_downloads_only_what_is_new(registry: Registry, jobs: Jobs) -> None:
    image = f"{registry.host}/lab/moving:latest"
    registry.push("lab/moving", "latest", Env=["VERSION=1"])
    before = jobs.run(image, "sh", "-c", "echo $VERSION", pull=PullPolicy.ALWAYS)
    same = jobs.run(image, "sh", "-c", "echo $VERSION", pull=PullPolicy.ALWAYS)
    downloads = registry.downloads("lab/moving")
    registry.push("lab/moving", "latest", Env=["VERSION=2"])
    after = jobs.run(image, "sh", "-c", "echo $VERSION", pull=PullPolicy.ALWAYS)

    assert [job.log() for job in (before, same, after)] == ["1\n", "1\n", "2\n"]
    assert (downloads, registry.downloads("lab/moving")) == (1, 2)
    assert registry.calls("HEAD", "/v2/lab/moving/manifests/latest") == 3


def test_always_for_jobs_at_the_same_time_asks_the_registry_a_few_times(registry: Registry, jobs: Jobs) -> None:
    registry.push("lab/asked", "latest")
    burst = [jobs.start(f"{registry.host}/lab/asked", "echo", "here", pull=PullPolicy.ALWAYS) for _ in range(8)]

    assert [(job.finish(), job.log()) for job in burst] == [(0, "here\n")] * 8
    assert registry.downloads("lab/asked") == 1
    assert registry.calls("HEAD", "/v2/lab/asked/manifests/latest") < 8


def test_an_image_is_had_by_its_digest(registry: Registry, jobs: Jobs) -> None:
    digest = registry.push("lab/pinned", Env=["VERSION=1"])
    registry.push("lab/pinned", Env=["VERSION=2"])
    job = jobs.run(f"{registry.host}/lab/pinned@{digest}", "sh", "-c", "echo $VERSION")

    assert job.log() == "1\n"
    assert [i.digest for i in listed(job.files.root.parent)] == [digest]


def test_never_finds_only_what_is_there(registry: Registry, jobs: Jobs) -> None:
    registry.push("lab/never")
    image = f"{registry.host}/lab/never:1"
    refused = jobs.run(image, "true", pull=PullPolicy.NEVER)
    jobs.run(image, "true")

    assert "imagePullPolicy is Never" in why(refused)
    assert jobs.run(image, "echo", "here", pull=PullPolicy.NEVER).log() == "here\n"


@pytest.mark.parametrize("policy", [RestartPolicy.NEVER, RestartPolicy.ON_FAILURE])
def test_an_image_that_is_not_there_ends_the_pod(registry: Registry, jobs: Jobs, policy: RestartPolicy) -> None:
    registry.push("lab/there")
    job = jobs.run(f"{registry.host}/lab/there:absent", "true", restart=policy)

    assert job.process.returncode == 128
    assert "manifest unknown" in why(job)
    assert job.story()[-3:] == ["ImageFailed main.0", "ContainerTerminated main.0 128", "JobFinished 128"]


def test_a_pod_that_always_runs_waits_for_its_image(registry: Registry, jobs: Jobs) -> None:
    registry.push("lab/late")
    job = jobs.start(f"{registry.host}/lab/late:2", "sh", "-c", STAYS, restart=RestartPolicy.ALWAYS)
    wait_until(lambda: "ImageBackOff main.0" in job.story_so_far())
    registry.push("lab/late", "2")
    job.wait_for("up")
    job.terminate()
    job.finish()

    back_offs = [(f.tries, f.delay) for f in job.facts if isinstance(f, report.ImageBackOff)]
    assert back_offs[0] == (1, 1)
    assert back_offs == [(n + 1, 2**n) for n in range(len(back_offs))]


def test_a_registry_that_does_not_answer_is_asked_again(image: Path, jobs: Jobs, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    job = jobs.start(f"{registry.host}/lab/tool:1", "echo", "here")
    wait_until(lambda: "ImageBackOff main.0" in job.story_so_far())
    [first, *_] = [f for f in report.read(job.files, 0).facts if isinstance(f, report.ImageBackOff)]
    registry.start()
    registry.push("lab/tool")

    assert job.finish() == 0
    registry.stop()
    assert job.log() == "here\n"
    assert "connection refused" in first.message


def test_a_registry_that_never_answers_ends_the_pod(jobs: Jobs) -> None:
    job = jobs.run("127.0.0.1:1/lab/tool:1", "true", restart=RestartPolicy.ON_FAILURE, backoff=0.05)

    assert job.process.returncode == 128
    assert [f.tries for f in job.facts if isinstance(f, report.ImageBackOff)] == [1, 2, 3, 4, 5]
    assert "connection refused" in why(job)


def test_a_private_image_is_had_with_a_login_alone(private: Registry, jobs: Jobs) -> None:
    image = f"{private.host}/lab/secret:1"
    job = jobs.run(image, "echo", "here", login=login_to(private))

    assert job.log() == "here\n"
    assert "authentication required" in why(jobs.run(image, "true"))
    wrong = jobs.run(image, "true", pull=PullPolicy.ALWAYS, login=login_to(private, "wrong"))
    assert "authentication required" in why(wrong)


def test_the_cache_shows_a_private_image_to_nobody_else(private: Registry, jobs: Jobs) -> None:
    image = f"{private.host}/lab/secret:1"
    jobs.run(image, "true", login=login_to(private))

    assert "was never fetched" in why(jobs.run(image, "true", pull=PullPolicy.NEVER))
    other = jobs.run(image, "true", pull=PullPolicy.NEVER, namespace="other", login=login_to(private))
    assert "was never fetched" in why(other)
    same = jobs.run(image, "echo", "here", pull=PullPolicy.NEVER, login=login_to(private))
    assert same.log() == "here\n"


def test_a_login_is_in_a_private_file_and_nowhere_else(private: Registry, jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.run(f"{private.host}/lab/secret:1", "env", login=login_to(private))
    secret = registries.login(private.host)["auths"][private.host]["auth"]

    holding = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert holding == [job.files.root / "pod.json"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    assert secret not in job.output


def test_an_image_that_everybody_may_have_serves_pods_with_logins_too(registry: Registry, jobs: Jobs) -> None:
    registry.push("lab/public")
    image = f"{registry.host}/lab/public:1"
    jobs.run(image, "true")

    assert jobs.run(image, "echo", "here", pull=PullPolicy.NEVER, login=login_to(registry)).log() == "here\n"


def test_a_container_starts_where_its_image_says_and_leaves_nothing_in_the_cache(
    registry: Registry, jobs: Jobs
) -> None:
    registry.push("lab/about", WorkingDir="/srv")
    job = jobs.run(f"{registry.host}/lab/about:1", "pwd")
    [cached] = listed(job.files.root.parent)
    key = cache_key(f"docker://{registry.host}/lab/about:1")

    assert job.log() == "/srv\n"
    assert sorted(path.name for path in cached.file.parent.iterdir()) == [
        f"{key}.{what}" for what in ("cache", "lock", "sif", "txt")
    ]
    assert cached.file.stat().st_nlink == 2, "the runtime's cache has a copy of its own"


def test_a_job_keeps_its_image_when_the_cache_loses_it(registry: Registry, jobs: Jobs) -> None:
    registry.push("lab/kept")
    job = jobs.start(f"{registry.host}/lab/kept:1", "sh", "-c", "echo begun; sleep 1; exec cat /etc/passwd")
    job.wait_for("begun")
    [cached] = listed(job.files.root.parent)
    cached.file.unlink()

    assert job.finish() == 0
    assert "root:" in job.log()
