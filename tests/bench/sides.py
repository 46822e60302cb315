"""The two sides that jobs are measured on: raw Slurm, and pods. Both ask Slurm for the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Protocol

from tests.bench import cluster, pods
from tests.bench.daemon import Daemon, Unavailable
from tests.bench.pods import Json

MOUNT_PATH = "/bench"
"""Where a container finds the folder that it gets."""

_RETRY_SECONDS = 0.2


class Side(Protocol):
    """A way to run a command in a container in a job."""

    @property
    def job_name(self) -> str:
        """The name that its jobs have, and no others."""

    @property
    def what(self) -> str:
        """What the figures call it."""

    def start(self, command: Sequence[str], folder: Path | None = None) -> str:
        """Submit one job; returns its id.

        :param folder: a folder of the node for the container
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The least there is: a line that calls the runtime."""

    image: Path
    job_name: str
    output: Path
    """A folder for what the jobs print."""
    what: str = "raw sbatch"

    def start(self, command: Sequence[str], folder: Path | None = None) -> str:
        """By ``sbatch --wrap``."""
        runtime = shutil.which("apptainer") or shutil.which("singularity") or "singularity"
        bind = [] if folder is None else ["--bind", f"{folder}:{MOUNT_PATH}"]
        return cluster.submit_command(
            [runtime, "exec", *bind, str(self.image), *command],
            f"--job-name={self.job_name}",
            "--cpus-per-task=1",
            "--mem=32M",
            f"--output={self.output}/%j.out",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """Pods of one container, by ``POST /create``."""

    daemon: Daemon
    job_name: str
    is_read_only: bool
    put_off: list[str] = field(default_factory=list)
    """What ``/create`` said each time that it took no pod for now."""

    @property
    def what(self) -> str:
        """Named for what makes the difference."""
        return "read-only root" if self.is_read_only else "writable root"

    def start(self, command: Sequence[str], folder: Path | None = None) -> str:
        """Create a pod that nobody asks for again."""
        return self.create(self.new_pod(command, folder))

    def new_pod(self, command: Sequence[str], folder: Path | None = None) -> Json:
        """A pod that asks Slurm for what a raw job asks for."""
        pod = pods.new_pod(str(self.daemon.image), list(command), flags=f"--job-name={self.job_name}")
        if folder is not None:
            pod = pods.with_folder(pod, folder, MOUNT_PATH)
        return pods.with_read_only_root(pod) if self.is_read_only else pod

    def create(self, pod: Json) -> str:
        """Submit it; returns the job's id. Whoever is put off tries again, as the answer says."""
        while True:
            with self.daemon.connection() as connection:
                try:
                    answer = connection.answer_of("POST", "/create", pods.create_body(pod))
                except Unavailable as unavailable:
                    self.put_off.append(str(unavailable))
                    sleep(_RETRY_SECONDS)
                else:
                    return str(answer["PodJID"])
