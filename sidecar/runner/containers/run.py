"""One run of a container: start, probes, end, last words."""

import os

from sidecar.runner.containers import start_failures
from sidecar.runner.containers.advice import advice
from sidecar.runner.containers.ending import terminate
from sidecar.runner.containers.inside import Inside, descriptor_of
from sidecar.runner.containers.output import Output
from sidecar.runner.contract.exit_codes import CANNOT_RUN, KILLED, TERMINATED
from sidecar.runner.contract.facts import MAX_MESSAGE_BYTES
from sidecar.runner.logs import LogWriter
from sidecar.runner.node.image_config import wrong_architecture
from sidecar.runner.node.runtime_messages import runtime_errors
from sidecar.runner.probes.prober import Listener, Prober, first_health
from sidecar.runner.system.event_loop import Future
from sidecar.runner.system.memory_kills import memory_kills
from sidecar.runner.system.processes import CANNOT_EXECUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from sidecar.runner.containers.container import Container
    from sidecar.runner.node.mounts import Bind
    from sidecar.runner.pod import Parts
    from sidecar.runner.report import Fact
    from sidecar.runner.runtimes.base import Started

_LOG_WORDS_BYTES, _LOG_WORDS_LINES = 2048, 80
"""How much of a log stands in for a missing message.

Source: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""


class Run(Listener):
    """One attempt of one container."""

    def __init__(self, container: "Container", parts: "Parts", attempt: int, log: LogWriter) -> None:
        self._container = container
        self._document = container.document
        self._parts = parts
        self._job = parts.job
        self._loop = parts.job.loop
        self._attempt = attempt
        self._log = log
        self._work = os.path.join(self._job.work, f"{container.name}.{attempt}")
        self._unhealthy = Future()

    def _which(self, **more: "Any") -> "Dict[str, Any]":
        return {"container": self._container.name, "attempt": self._attempt, **more}

    async def run(self, image: str, binds: "List[Bind]") -> "tuple[int, List[Fact]]":
        """Start it, see it to its end; return its code, and what the report says of that."""
        kills = memory_kills()
        started = await self._start(image, binds)
        if started is None:
            return TERMINATED, []
        if not started.has_begun:
            return self._could_not_run(started.words, started.code)
        return await self._attend(started, kills)

    def _could_not_run(self, words: str, code: int) -> "tuple[int, List[Fact]]":
        message = wrong_architecture(self._image) or runtime_errors(words.encode())
        shell_words = self._job.shell_words() if start_failures.lacks_runtime(words) else ""
        if code == CANNOT_EXECUTE and shell_words:
            self._say(shell_words)
            message += f"; {shell_words}"
        return CANNOT_RUN, [
            ("container_terminated", self._which(code=CANNOT_RUN, cannot_run=code, message=message)),
        ]

    # ---------------------------------------------------------------- start

    async def _start(self, image: str, binds: "List[Bind]") -> "Optional[Started]":
        """Start it, again where that may help; ``None`` when it must end before it has begun."""
        self._image = image
        runtime = self._parts.runtime_for(self._document, image, binds, self._work)
        for seconds in (*start_failures.RETRY_SECONDS, None):
            try:
                started = await self._start_adapted(runtime)
            except OSError as error:  # of this node, before anything of the container has run
                if seconds is None or error.errno not in start_failures.PASSING_ERRORS:
                    raise
            else:
                if started is None or started.has_begun:
                    return started
                if seconds is None or not start_failures.may_pass(started.words):
                    started.output.let_through()
                    return started
            self._say(f"the container could not be started; it is tried again in {seconds} s")
            if await self._loop.first_of(self._container.must_end, seconds=seconds) is not None:
                return None
        return None

    async def _start_adapted(self, runtime: "Any") -> "Optional[Started]":
        """Start it, at once again without what this node cannot do."""
        started = await self._start_once(runtime)
        while started is not None and not started.has_begun and runtime.adapt(started.words, self._say):
            started = await self._start_once(runtime)
        return started

    async def _start_once(self, runtime: "Any") -> "Optional[Started]":
        output = Output(self._loop, self._log)
        try:
            started: "Started" = runtime.start(output.writing)
        except OSError:
            output.started()
            await output.finish()
            raise
        started.output = output
        output.started()
        if await started.wait_to_begin(self._container.must_end):
            output.let_through()
            return started
        must_end = self._container.must_end.is_done
        started.child.kill()
        await started.child.exited
        await output.finish()
        started.forget()
        started.code = started.child.exited.value
        started.words = output.beginning.decode("utf-8", "replace")
        if must_end or not start_failures.lacks_directory(started.words):
            output.let_through()
        return None if must_end else started

    def _say(self, sentence: str) -> None:
        self._log.write(f"slurm-sidecar: {sentence}\n".encode())

    # ---------------------------------------------------------------- life

    async def _attend(self, started: "Started", kills: "Optional[int]") -> "tuple[int, List[Fact]]":
        began = self._loop.now()
        inside = self._inside = Inside(self._loop, started.child)
        words_held = self._hold_words(started, inside)
        try:
            await self._see_to_its_end(started, inside, began)
        finally:
            started.child.kill()  # if it has not ended, an error of ours is on its way
            code = await started.child.exited
            await started.output.finish()
            started.forget()
            words = self._message(words_held)
        return self._ended(code, self._loop.now() - began, words, kills)

    async def _see_to_its_end(self, started: "Started", inside: Inside, began: float) -> None:
        has_started, ready = first_health(self._document)
        self._job.report.write(("container_started", self._which(started=has_started, ready=ready)))
        started.let_begin()
        prober = Prober(self._loop, self._document, inside.run, self, began)
        prober.has_started.when_done(self._container.has_started.set)
        looking_after = self._loop.start(prober.run())
        try:
            await self._loop.first_of(started.child.exited, self._container.must_end, self._unhealthy)
        finally:
            looking_after.cancel()
        await looking_after  # raises its error
        if not started.child.has_ended:
            failed = await terminate(self._loop, started.child, inside, self._document, self._seconds_to_end())
            if failed is not None:
                self._job.report.write(("container_unhealthy", self._which(check="preStop", message=failed)))

    def _hold_words(self, started: "Started", inside: Inside) -> "Optional[int]":
        """The file of its last words, where that is in its own ``/dev``: without a way through the image's files."""
        path = self._document["message_path"]
        first = inside.first()
        if not started.waits or not path.startswith("/dev/"):
            return None
        return None if first is None else descriptor_of(first, path[len("/dev") :])

    def is_running(self) -> bool:
        """Tell whether the container has not ended: the runtime's process outlives the container's own for a while."""
        return self._inside.is_there()

    def on_health(self, started: bool, ready: bool, words: str) -> None:
        """Report that the container's health has changed."""
        fields = self._which(started=started, ready=ready)
        self._job.report.write(("container_health", {**fields, "message": words} if words else fields))

    def on_unhealthy(self, check: str, words: str, grace_seconds: "Optional[int]") -> None:
        """Report that the container failed a check, and end it for that."""
        self._job.report.write(("container_unhealthy", self._which(check=check, message=words)))
        self._unhealthy.set(self._job.grace_seconds() if grace_seconds is None else grace_seconds)

    def _seconds_to_end(self) -> float:
        asked = self._container.must_end if self._container.must_end.is_done else self._unhealthy
        return float(asked.value)

    # ---------------------------------------------------------------- end

    def _ended(self, code: int, ran_for: float, words: str, kills: "Optional[int]") -> "tuple[int, List[Fact]]":
        end = self._log.tail(_LOG_WORDS_BYTES, _LOG_WORDS_LINES).decode("utf-8", "replace")
        if start_failures.could_not_execute(code, end, ran_for):
            last_line = end.rstrip("\n").rsplit("\n", 1)[-1]
            return self._could_not_run(start_failures.cannot_run_message(self._document["command"], last_line), code)
        fields = self._which(code=code, message=self._last_words(code, words, end))
        if code == KILLED and memory_kills() != kills:
            fields["oom"] = True
        return code, [("container_terminated", fields)]

    def _last_words(self, code: int, words: str, log_end: str) -> str:
        """What the container left for Kubernetes; if it left nothing, what may help to understand its failure."""
        if words or code == 0:
            return words
        return log_end if self._document["message_from_log"] else advice(log_end, self._document["writable"])

    def _message(self, held: "Optional[int]") -> str:
        """What the container left for Kubernetes; the file that is held is let go."""
        try:
            with open(self._work + ".message" if held is None else held, "rb") as file:
                return file.read(MAX_MESSAGE_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""
