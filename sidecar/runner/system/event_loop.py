"""Waiting for many things in one thread: time, pipes, sockets, ends of children, signals.

Coroutines (``async def``) run as tasks; whatever they wait for is a :class:`Future`. asyncio would do the same, but
takes 60 ms to import, and its way of waiting for children differs from version to version.
"""

import errno
import heapq
import itertools
import os
import select
import time

from sidecar.runner.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Coroutine, Dict, Generator, List, Optional, Tuple


class Cancelled(BaseException):
    """Thrown into a task that nobody needs any more."""


class Future:
    """Something that is waited for; it comes once."""

    def __init__(self) -> None:
        self.is_done = False
        self.value: "Any" = None
        self.error: "Optional[BaseException]" = None
        self._callbacks: "List[Callable[[Future], None]]" = []

    def set(self, value: "Any" = None) -> None:
        """It has come; only the first time counts."""
        self._finish(value, None)

    def _finish(self, value: "Any", error: "Optional[BaseException]") -> None:
        if self.is_done:
            return
        self.is_done, self.value, self.error = True, value, error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def when_done(self, callback: "Callable[[Future], None]") -> None:
        """Call this when it has come, perhaps at once."""
        if self.is_done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def forget(self, callback: "Callable[[Future], None]") -> None:
        """Do not call this any more."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def __await__(self) -> "Generator[Future, None, Any]":
        if not self.is_done:
            yield self
        if self.error is not None:
            raise self.error
        return self.value


class Task(Future):
    """A coroutine that runs beside others; waiting for it gives what it returned."""

    def __init__(self, loop: "Loop", coroutine: "Coroutine[Any, Any, Any]") -> None:
        super().__init__()
        self._loop = loop
        self._coroutine = coroutine
        self._waits_for: "Optional[Future]" = None
        loop.call_soon(self._step)

    def cancel(self) -> None:
        """End it where it waits; what it holds is let go by its own ``finally``."""
        if self.is_done:
            return
        if self._waits_for is not None:
            self._waits_for.forget(self._wake)
            self._waits_for = None
        self._step(Cancelled())

    def _wake(self, came: Future) -> None:
        # Unless it is cancelled meanwhile, and waits for something else at its end.
        self._loop.call_soon(lambda: self._step() if self._waits_for is came else None)

    def _step(self, error: "Optional[BaseException]" = None) -> None:
        if self.is_done:
            return
        self._waits_for = None
        try:
            waits_for = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration as end:
            self._finish(end.value, None)
        except Cancelled:
            self._finish(None, None)
        except Exception as failure:
            self._finish(None, failure)
        else:
            self._waits_for = waits_for
            waits_for.when_done(self._wake)


class Loop:
    """One for the whole program."""

    def __init__(self) -> None:
        self._ready: "List[Callable[[], None]]" = []
        self._timers: "List[Tuple[float, int, Future]]" = []
        self._numbers = itertools.count()
        self._poll = select.epoll()
        self._watched: "Dict[int, Future]" = {}
        self._children: "Dict[int, Future]" = {}
        self._signals: "Dict[int, Callable[[], None]]" = {}
        self._caught: "set[int]" = set()
        self._wakeup, write_end = os.pipe()
        for end in (self._wakeup, write_end):
            os.set_blocking(end, False)
        signals.wake_by(write_end)
        self._poll.register(self._wakeup, select.EPOLLIN)
        self.on_signal(signals.SIGCHLD, self._reap)

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        return time.monotonic()

    def call_soon(self, callback: "Callable[[], None]") -> None:
        """Call this in the next round."""
        self._ready.append(callback)

    def start(self, coroutine: "Coroutine[Any, Any, Any]") -> Task:
        """Run a coroutine beside the others."""
        return Task(self, coroutine)

    def run(self, coroutine: "Coroutine[Any, Any, Any]") -> "Any":
        """Run until this coroutine has returned, and return what it did."""
        task = self.start(coroutine)
        while not task.is_done:
            self._run_once()
        if task.error is not None:
            raise task.error
        return task.value

    def _run_once(self) -> None:
        ready, self._ready = self._ready, []
        for callback in ready:
            callback()
        if ready:
            return  # somebody may have what the loop runs for
        self._wait(self._seconds_to_wait())
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2].set()

    def _seconds_to_wait(self) -> float:
        while self._timers and self._timers[0][2].is_done:
            heapq.heappop(self._timers)
        if not self._timers:
            return -1
        # Rounded up: epoll counts milliseconds, and waking a moment too early would be waking twice.
        return max(0.0, self._timers[0][0] - self.now()) + 0.001

    def _wait(self, seconds: float) -> None:
        for descriptor, _ in self._poll.poll(seconds):
            if descriptor == self._wakeup:
                self._take_signals()
                continue
            future = self._watched.get(descriptor)
            if future is not None:
                future.set()

    # ---------------------------------------------------------------- signals and children

    def on_signal(self, number: int, callback: "Callable[[], None]") -> None:
        """Call this, in the loop, when the signal came."""
        self._signals[number] = callback
        signals.handle(number, lambda caught, _: self._caught.add(caught))

    def _take_signals(self) -> None:
        try:
            while os.read(self._wakeup, 512):
                pass
        except BlockingIOError:
            pass
        caught, self._caught = self._caught, set()
        for number in sorted(caught):
            self._signals[number]()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            future = self._children.pop(pid, None)
            if future is not None:  # else it is an orphan that has come to us
                future.set(exit_code(status))

    def child(self, pid: int) -> Future:
        """The end of a child: comes with its exit code, 128 + n after signal n. Ask before the loop runs again."""
        future = self._children[pid] = Future()
        return future

    # ---------------------------------------------------------------- time and descriptors

    def timer(self, seconds: float) -> Future:
        """Comes after so many seconds."""
        future = Future()
        heapq.heappush(self._timers, (self.now() + seconds, next(self._numbers), future))
        return future

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        timer = self.timer(seconds)
        try:
            await timer
        finally:
            timer.set()  # or it would be kept until its time

    async def readable(self, descriptor: int) -> None:
        """Wait until something can be read, or the other end is closed."""
        await self._watch(descriptor, select.EPOLLIN)

    async def writable(self, descriptor: int) -> None:
        """Wait until something can be written, or never any more."""
        await self._watch(descriptor, select.EPOLLOUT)

    async def _watch(self, descriptor: int, events: int) -> None:
        try:
            self._poll.register(descriptor, events)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            return  # a plain file can always be read
        future = self._watched[descriptor] = Future()
        try:
            await future
        finally:
            del self._watched[descriptor]
            self._poll.unregister(descriptor)

    async def first_of(self, *futures: Future, seconds: "Optional[float]" = None) -> "Optional[Future]":
        """Wait for whichever comes first; ``None`` when the time is over before."""
        if seconds is not None and seconds <= 0:
            return next((future for future in futures if future.is_done), None)
        timer = self.timer(seconds) if seconds is not None else None
        everyone = (*futures, timer) if timer is not None else futures
        one = Future()
        for future in everyone:
            future.when_done(one.set)
        try:
            came = await one
        finally:
            for future in everyone:
                future.forget(one.set)
            if timer is not None:
                timer.set()
        return came if came is not timer else None

    async def within(self, seconds: float, coroutine: "Coroutine[Any, Any, Any]") -> "Any":
        """What the coroutine returns, in so many seconds.

        :raises TimeoutError: it took longer, and was cancelled
        """
        task = self.start(coroutine)
        try:
            if await self.first_of(task, seconds=seconds) is None:
                raise TimeoutError(f"no answer within {seconds:g} s")
            return await task
        finally:
            task.cancel()


def exit_code(status: int) -> int:
    """What a shell would say of a wait status: 128 + n after signal n."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
