"""A container over all of its runs: started, started again as restartPolicy says, and ended when it must."""

import os

from sidecar.runner.containers.restarts import Backoff, may_restart, policy_of
from sidecar.runner.containers.run import Run
from sidecar.runner.containers.start_failures import lacks_runtime
from sidecar.runner.contract.exit_codes import CANNOT_RUN, KILLED, TERMINATED
from sidecar.runner.logs import LogWriter
from sidecar.runner.node.host_paths import CannotMount
from sidecar.runner.node.image_config import NoCommand
from sidecar.runner.node.images import gives_up
from sidecar.runner.system import processes
from sidecar.runner.system.event_loop import Future
from sidecar.runner.system.folders import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from sidecar.runner.contract.pod_document import ContainerDocument
    from sidecar.runner.node.images import Pulled
    from sidecar.runner.pod import Parts
    from sidecar.runner.report import Fact

_LATE_STOP_SECONDS = 0.1
"""A container that was killed may have heard it before we did, when somebody told all processes of the job."""


class Container:
    """One container of the pod."""

    def __init__(self, parts: "Parts", document: "ContainerDocument") -> None:
        self._parts = parts
        self._job = parts.job
        self._loop = parts.job.loop
        self.document = document
        self.name = document["name"]
        self.must_end = Future()
        """Comes, with the seconds that it may take, when the container is needed no longer."""
        self.has_started = Future()
        """Comes when its first run counts as started: its postStart hook and its startup probe have succeeded."""
        self._backoff = Backoff(self._job.document["backoff"])
        self._policy = policy_of(document["role"], self._job.document["restart_policy"])
        self._image_is_lost = False

    def end(self, grace_seconds: float) -> None:
        """Ask it to end within so many seconds."""
        self.must_end.set(grace_seconds)

    async def supervise(self) -> int:
        """Run it until it has ended for good; return its last code."""
        attempt = 0
        while True:
            began = self._loop.now()
            code, ended = await self._run_once(attempt)
            if code in (KILLED, TERMINATED):
                await self._loop.first_of(self._job.stopping, seconds=_LATE_STOP_SECONDS)
            if not self._may_restart(code, attempt):
                break
            delay = self._backoff.seconds(self._loop.now() - began)
            attempt += 1
            # In one write: an end without what follows would be the pod's end to Kubernetes.
            self._job.report.write(*ended, ("container_restarting", self._which(attempt, delay=_whole(delay))))
            ended = []
            self._remove_work(attempt - 1)
            if await self._loop.first_of(self.must_end, seconds=delay) is not None:
                break
        if ended:
            self._job.report.write(*ended)
        return code

    def _may_restart(self, code: int, attempt: int) -> bool:
        if self.must_end.is_done or self._image_is_lost:
            return False
        return may_restart(self._policy, code, attempt, self._job.site["max_restarts"])

    def _remove_work(self, attempt: int) -> None:
        """What a run wrote to its image goes with it, or a pod that starts again and again would fill the node's disk.

        In a process of its own: there may be much to remove.
        """
        prefix = f"{self.name}.{attempt}."
        try:
            old = [name for name in os.listdir(self._job.work) if name.startswith(prefix)]
            processes.fork(self._loop, lambda: _remove_all([os.path.join(self._job.work, name) for name in old]))
        except OSError:
            pass  # it goes with the job

    def _which(self, attempt: int, **more: object) -> "dict[str, object]":
        return {"container": self.name, "attempt": attempt, **more}

    async def _run_once(self, attempt: int) -> "tuple[int, List[Fact]]":
        """From the image to the end of one run: its code, and what the report says of its end."""
        log = LogWriter(
            self._job.files,
            self.name,
            attempt,
            self._job.site["log_max_bytes"],
            self._job.site["log_max_files"],
            self._loop,
        )
        log.begin()
        try:
            pulled = await self._fetch(attempt)
            if pulled is None or self.must_end.is_done:
                return TERMINATED, []
            if not pulled.file:
                return self._image_failed(attempt, pulled.words)
            return await Run(self, self._parts, attempt, log).run(pulled.file, self._parts.binds_of(self.document))
        except (CannotMount, NoCommand) as error:
            return self._cannot_run(attempt, log, str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return self._cannot_run(attempt, log, f"{where}{error.strerror} on node {self._job.node}")
        finally:
            log.close()

    def _image_failed(self, attempt: int, words: str) -> "tuple[int, List[Fact]]":
        self._image_is_lost = True  # enough was tried
        shell_words = self._job.shell_words() if lacks_runtime(words) else ""
        words += f"; {shell_words}" if shell_words else ""
        self._job.report.write(("image_failed", self._which(attempt, message=words)))
        return CANNOT_RUN, [("container_terminated", self._which(attempt, code=CANNOT_RUN, message=words))]

    def _cannot_run(self, attempt: int, log: LogWriter, why: str) -> "tuple[int, List[Fact]]":
        """Nothing of the container has run, and the node is why."""
        log.write(f"slurm-sidecar: {why}\n".encode("utf-8", "replace"))
        end = self._which(attempt, code=CANNOT_RUN, cannot_run=CANNOT_RUN, message=why)
        return CANNOT_RUN, [("container_terminated", end)]

    async def _fetch(self, attempt: int) -> "Optional[Pulled]":
        """The image, or why enough was tried; ``None`` when the container must end before."""
        backoff = Backoff(self._job.document["backoff"])
        tries = 0
        while True:
            pulled = await self._fetch_unless_ended(attempt)
            if pulled is None or pulled.file:
                return pulled
            tries += 1
            if gives_up(self._job.document["restart_policy"], pulled.may_pass, tries):
                return pulled
            delay = backoff.seconds()
            again = self._which(attempt, tries=tries, delay=_whole(delay), message=pulled.words)
            self._job.report.write(("image_backoff", again))
            if await self._loop.first_of(self.must_end, seconds=delay) is not None:
                return None

    async def _fetch_unless_ended(self, attempt: int) -> "Optional[Pulled]":
        def pulling() -> None:
            self._job.report.write(("image_pulling", self._which(attempt)))

        fetching = self._loop.start(self._parts.images.fetch_once(self.document, self._parts.pulls, pulling))
        try:
            await self._loop.first_of(fetching, self.must_end)
            return await fetching if fetching.is_done and not self.must_end.is_done else None
        finally:
            fetching.cancel()


def _remove_all(paths: "List[str]") -> int:
    for path in paths:
        remove_tree(path)
    return 0


def _whole(seconds: float) -> int:
    return int(seconds)
