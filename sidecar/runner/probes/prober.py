"""Looks after one run of a container: the hook after its start, then its probes.

Source: https://kubernetes.io/docs/concepts/workloads/pods/probes/
"""

from sidecar.runner.probes.actions import act
from sidecar.runner.probes.outcomes import Outcome
from sidecar.runner.probes.thresholds import Thresholds, next_tick
from sidecar.runner.system.event_loop import Cancelled, Future, Loop, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Tuple

    from sidecar.runner.contract.pod_document import ContainerDocument, ProbeDocument
    from sidecar.runner.probes.actions import Execute


class Listener:
    """Who wants to know. Nobody is called any more once the prober's task has been cancelled."""

    def on_health(self, started: bool, ready: bool, words: str) -> None:
        """Take the container's health, which has changed.

        :param words: why it is not ready
        """

    def on_unhealthy(self, check: str, words: str, grace_seconds: "Optional[int]") -> None:
        """End the container; called once at most.

        :param check: ``postStart``, ``startup`` or ``liveness``
        :param grace_seconds: between the signal and the kill; ``None``: the pod's
        """

    def is_running(self) -> bool:
        """Tell whether the container's process is still there: of one that has ended there is no news."""
        return True


def first_health(container: "ContainerDocument") -> "Tuple[bool, bool]":
    """Whether a container has started and is ready as soon as it runs."""
    has_started = container["startup"] is None and container["post_start"] is None
    return has_started, has_started and container["readiness"] is None


class Prober:
    """One run of a container. Its owner starts :meth:`run` as a task, and cancels it when the container is to end."""

    def __init__(
        self, loop: Loop, container: "ContainerDocument", execute: "Execute", listener: Listener, started_at: float
    ) -> None:
        """Keep what is needed.

        :param started_at: when the container started, by the loop's clock
        """
        self.has_started = Future()
        """Comes when the hook and the startup probe have succeeded; never, if they fail."""
        self._loop = loop
        self._container = container
        self._execute = execute
        self._listener = listener
        self._started_at = started_at
        self._is_cancelled = False
        self._is_unhealthy = False
        if first_health(container)[0]:
            self.has_started.set()

    async def run(self) -> None:
        """Look after the container for as long as there is anything to ask, or until it is cancelled.

        It does not return once the container is unhealthy: its owner has yet to hear of it, and may still cancel.
        """
        try:
            if await self._start():
                await self._watch()
            if self._is_unhealthy:
                await Future()
        except Cancelled:
            self._is_cancelled = True
            raise

    # ---------------------------------------------------------------- the start

    async def _start(self) -> bool:
        """The hook, and then the probe that holds back the others; whether both have succeeded."""
        if first_health(self._container)[0]:
            return True
        if not await self._post_start() or not await self._startup():
            return False
        self._tell_health(ready=self._container["readiness"] is None, words="")
        self.has_started.set()
        return True

    async def _post_start(self) -> bool:
        hook = self._container["post_start"]
        if hook is None:
            return True
        outcome = await act(self._loop, hook, None, self._execute)
        if not outcome.ok:
            self._tell_unhealthy("postStart", outcome.words, None)
        return outcome.ok

    async def _startup(self) -> bool:
        probe = self._container["startup"]
        return probe is None or await self._ask_until_known("startup", probe, until=None)

    # ---------------------------------------------------------------- the time after it

    async def _watch(self) -> None:
        readiness, liveness = self._container["readiness"], self._container["liveness"]
        tasks: "List[Task]" = []
        if readiness is not None:
            tasks.append(self._loop.start(self._watch_readiness(readiness)))
        if liveness is not None:
            tasks.append(self._loop.start(self._ask_until_known("liveness", liveness, until=False)))
        try:
            while tasks:
                await self._loop.first_of(*tasks)
                for task in [task for task in tasks if task.is_done]:
                    tasks.remove(task)
                    await task  # raises its error
        finally:
            for task in tasks:
                task.cancel()

    async def _watch_readiness(self, probe: "ProbeDocument") -> None:
        """Never ends. A container that was not ready before is no news."""
        questions = _Questions(self._loop, probe, self._started_at, self._execute)
        was_ready = False
        while True:
            outcome = await questions.next_change()
            if outcome.ok or was_ready:
                self._tell_health(ready=outcome.ok, words=outcome.words if not outcome.ok else "")
            was_ready = outcome.ok

    async def _ask_until_known(self, check: str, probe: "ProbeDocument", *, until: "Optional[bool]") -> bool:
        """Ask until the container has failed, or has reached the state that ends the questions.

        :param until: ``None``: either state
        """
        questions = _Questions(self._loop, probe, self._started_at, self._execute)
        while True:
            outcome = await questions.next_change()
            if not outcome.ok:
                self._tell_unhealthy(check, outcome.words, probe["grace_seconds"])
            if until is None or outcome.ok is until:
                return outcome.ok

    # ---------------------------------------------------------------- news

    # The listener is called in the next round: it may cancel this very task, which must not run then.

    def _tell_health(self, *, ready: bool, words: str) -> None:
        self._tell(lambda: self._listener.on_health(True, ready, words))

    def _tell_unhealthy(self, check: str, words: str, grace_seconds: "Optional[int]") -> None:
        if not self._is_unhealthy and self._listener.is_running():
            self._is_unhealthy = True
            self._tell(lambda: self._listener.on_unhealthy(check, words, grace_seconds))

    def _tell(self, call: "Callable[[], None]") -> None:
        self._loop.call_soon(lambda: None if self._is_cancelled else call())


class _Questions:
    """One probe, asked again and again."""

    def __init__(self, loop: Loop, probe: "ProbeDocument", started_at: float, execute: "Execute") -> None:
        self._loop = loop
        self._probe = probe
        self._execute = execute
        self._thresholds = Thresholds(probe["success_threshold"], probe["failure_threshold"])
        self._next_at = max(started_at + probe["initial_delay_seconds"], loop.now())

    async def next_change(self) -> Outcome:
        """The answer that reached a threshold."""
        while True:
            outcome = await self._ask()
            if self._thresholds.count(outcome.ok):
                return outcome

    async def _ask(self) -> Outcome:
        seconds = self._next_at - self._loop.now()
        if seconds > 0:
            await self._loop.sleep(seconds)
        outcome = await act(self._loop, self._probe["action"], self._probe["timeout_seconds"], self._execute)
        self._next_at = next_tick(self._next_at, self._probe["period_seconds"], self._loop.now())
        return outcome
