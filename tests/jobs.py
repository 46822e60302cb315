"""Pods and plans for tests of the job, with defaults for everything a test does not speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sidecar.domain.logins import choose
from sidecar.domain.plan import JobPlan, PlannedContainer
from sidecar.domain.pod import (
    Container,
    ContainerRole,
    JobOptions,
    Mount,
    Pod,
    PullPolicy,
    Resources,
    RestartPolicy,
    Volume,
)

UID = "0c2e7c3c-5d5a-4d2c-9d5a-3f1f0a1b2c3d"
RUNTIME_OPTIONS = ("--no-eval", "--containall")


def a_container(
    name: str = "main",
    *command: str,
    role: ContainerRole = ContainerRole.MAIN,
    args: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    mounts: tuple[Mount, ...] = (),
    working_dir: str = "",
    image: str = "/images/busybox.sif",
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT,
) -> Container:
    return Container(
        name=name,
        role=role,
        image=image,
        command=command,
        args=args,
        env=tuple((env or {}).items()),
        mounts=mounts,
        working_dir=working_dir,
        pull_policy=pull_policy,
    )


def an_init_container(name: str, *command: str, mounts: tuple[Mount, ...] = ()) -> Container:
    return a_container(name, *command, role=ContainerRole.INIT, mounts=mounts)


def a_pod(
    *containers: Container,
    volumes: tuple[Volume, ...] = (),
    restart_policy: RestartPolicy = RestartPolicy.NEVER,
    grace_seconds: int = 30,
    options: JobOptions | None = None,
) -> Pod:
    return Pod(
        uid=UID,
        namespace="lab",
        name="demo",
        containers=containers or (a_container("main", "true"),),
        volumes=volumes,
        restart_policy=restart_policy,
        grace_seconds=grace_seconds,
        options=options or JobOptions(),
    )


def with_image(pod: Pod, image: Path) -> Pod:
    """The pod with an image that exists in place of the default one."""
    default = a_container().image
    return replace(
        pod,
        containers=tuple(replace(c, image=str(image)) if c.image == default else c for c in pod.containers),
    )


def a_plan(
    pod: Pod,
    *,
    sbatch_options: tuple[str, ...] = (),
    job_name: str = "demo.token",
    runtime_options: tuple[str, ...] = RUNTIME_OPTIONS,
) -> JobPlan:
    return JobPlan(
        job_name=job_name,
        sbatch_options=sbatch_options,
        containers=tuple(
            PlannedContainer(
                container=c,
                image=c.image,
                login=choose(c.image, pod.logins),
                runtime_options=runtime_options,
                is_writable=not c.read_only_root,
            )
            for c in pod.containers
        ),
        requests=Resources(),
    )
