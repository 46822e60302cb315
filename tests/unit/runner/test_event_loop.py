"""The supervisor's event loop: time, children, signals, descriptors, and tasks that end early."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.system import processes
from sidecar.runner.system.event_loop import Cancelled, Future, Loop, exit_code
from tests.unit.runner.loops import InstantLoop, closing


@pytest.fixture
def loop() -> Iterator[InstantLoop]:
    with closing(InstantLoop()) as loop:
        assert isinstance(loop, InstantLoop)
        yield loop


@pytest.fixture
def real() -> Iterator[Loop]:
    with closing(Loop()) as loop:
        yield loop


# ---------------------------------------------------------------- futures and tasks


def test_a_future_comes_once_and_tells_everybody_who_asks_before_or_after() -> None:
    future, told = Future(), []
    future.when_done(lambda f: told.append(("before", f.value)))
    future.set(1)
    future.set(2)
    future.when_done(lambda f: told.append(("after", f.value)))

    assert told == [("before", 1), ("after", 1)]


def test_who_asked_to_be_forgotten_is_not_told() -> None:
    future, told = Future(), []  # type: Future, list[Future]
    future.when_done(told.append)
    future.forget(told.append)
    future.forget(told.append)
    future.set()

    assert told == []


def test_a_task_gives_what_it_returned_or_raised_to_who_waits(loop: InstantLoop) -> None:
    async def works() -> int:
        await loop.sleep(1)
        return 7

    async def fails() -> None:
        await loop.sleep(1)
        raise ValueError("as it is")

    async def whole() -> tuple[int, str]:
        good, bad = loop.start(works()), loop.start(fails())
        try:
            await bad
        except ValueError as error:
            return await good, str(error)
        return 0, ""

    assert loop.run(whole()) == (7, "as it is")


def test_an_error_of_the_whole_ends_the_loop_with_it(loop: InstantLoop) -> None:
    async def fails() -> None:
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        loop.run(fails())


def test_a_cancelled_task_lets_go_of_what_it_holds(loop: InstantLoop) -> None:
    let_go = []

    async def holds() -> None:
        try:
            await loop.sleep(1000)
        finally:
            let_go.append(loop.now())

    async def whole() -> None:
        task = loop.start(holds())
        await loop.sleep(1)
        task.cancel()
        task.cancel()
        assert task.is_done

    loop.run(whole())
    assert let_go == [pytest.approx(1001, abs=0.01)]


def test_a_task_cancelled_before_its_first_step_never_runs(loop: InstantLoop) -> None:
    ran = []

    async def runs() -> None:
        ran.append(1)

    async def whole() -> None:
        loop.start(runs()).cancel()
        await loop.sleep(1)

    loop.run(whole())
    assert ran == []


def test_a_task_cancelled_after_what_it_waited_for_came_waits_at_its_end_for_that_alone(loop: InstantLoop) -> None:
    came, last, story = Future(), Future(), []

    async def held() -> None:
        try:
            await came
        finally:
            await last
            story.append("last")

    async def whole() -> None:
        task = loop.start(held())
        await loop.sleep(1)
        came.set()
        task.cancel()
        await loop.sleep(1)
        story.append("whole")
        last.set()
        await task

    loop.run(whole())

    assert story == ["whole", "last"]


def test_cancelling_reaches_a_task_through_what_it_awaits(loop: InstantLoop) -> None:
    seen = []

    async def inner() -> None:
        try:
            await loop.sleep(1000)
        except Cancelled:
            seen.append("inner")
            raise

    async def outer() -> None:
        try:
            await inner()
        except Cancelled:
            seen.append("outer")
            raise

    async def whole() -> None:
        task = loop.start(outer())
        await loop.sleep(1)
        task.cancel()

    loop.run(whole())
    assert seen == ["inner", "outer"]


# ---------------------------------------------------------------- time


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_timers_come_in_the_order_of_their_times(seconds: list[int]) -> None:
    came: list[int] = []

    async def sleeps(loop: Loop, one: int) -> None:
        await loop.sleep(one)
        came.append(one)

    async def whole(loop: Loop) -> None:
        for task in [loop.start(sleeps(loop, one)) for one in seconds]:
            await task

    with closing(InstantLoop()) as loop:
        loop.run(whole(loop))
    assert came == sorted(seconds)


def test_a_timer_never_comes_before_its_time(real: Loop) -> None:
    began = real.now()
    real.run(real.sleep(0.01))

    assert real.now() - began >= 0.01


def test_timers_that_nobody_waits_for_are_not_kept(loop: InstantLoop) -> None:
    async def whole() -> None:
        for _ in range(100):
            await loop.first_of(loop.timer(1), seconds=1000)
        await loop.sleep(1)

    loop.run(whole())
    assert len(loop._timers) <= 100
    assert loop.now() < 1200


def test_the_first_of_several_is_given_and_the_others_forget_who_waited(loop: InstantLoop) -> None:
    soon, never = Future(), Future()

    async def whole() -> object:
        loop.timer(2).when_done(lambda _: soon.set("it"))
        return await loop.first_of(never, soon, seconds=10)

    assert loop.run(whole()) is soon
    assert never._callbacks == []


@pytest.mark.parametrize("seconds", [-1, 0, 3])
def test_when_the_time_is_over_there_is_no_first(loop: InstantLoop, seconds: float) -> None:
    assert loop.run(loop.first_of(Future(), seconds=seconds)) is None


def test_without_time_what_has_come_already_still_counts(loop: InstantLoop) -> None:
    done = Future()
    done.set()

    assert loop.run(loop.first_of(Future(), done, seconds=0)) is done


def test_what_takes_too_long_is_cancelled_and_raises(loop: InstantLoop) -> None:
    ended = []

    async def slow() -> None:
        try:
            await loop.sleep(100)
        finally:
            ended.append(1)

    with pytest.raises(TimeoutError, match="no answer within 3 s"):
        loop.run(loop.within(3, slow()))
    assert ended == [1]


def test_what_is_in_time_gives_its_value_or_its_own_error(loop: InstantLoop) -> None:
    async def quick() -> str:
        await loop.sleep(1)
        return "done"

    async def fails() -> None:
        raise OSError("as it is")

    assert loop.run(loop.within(3, quick())) == "done"
    with pytest.raises(OSError, match="as it is"):
        loop.run(loop.within(3, fails()))


# ---------------------------------------------------------------- children and signals


def _dies() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.parametrize(("end", "code"), [(lambda: 0, 0), (lambda: 7, 7), (_dies, 137)])
def test_a_child_comes_with_its_code(real: Loop, end: Callable[[], int], code: int) -> None:
    child = processes.fork(real, end)

    async def whole() -> int:
        return int(await child.exited)

    assert real.run(whole()) == code
    assert child.has_ended


def test_many_children_that_end_at_once_are_all_heard_of(real: Loop) -> None:
    async def whole() -> list[int]:
        children = [processes.fork(real, partial(int, number)) for number in range(30)]
        return [int(await child.exited) for child in children]

    assert real.run(whole()) == list(range(30))


def test_an_exception_in_a_child_ends_only_the_child(real: Loop, capfd: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        raise ValueError("as it is")

    child = processes.fork(real, fails)

    async def whole() -> int:
        return int(await child.exited)

    assert real.run(whole()) == processes.CANNOT_EXECUTE
    assert capfd.readouterr().err == "slurm-sidecar: ValueError: as it is\n"


def test_a_signal_calls_back_in_the_loop_however_often_it_came(real: Loop) -> None:
    heard = []
    real.on_signal(signal.SIGUSR1, lambda: heard.append(1))

    async def whole() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        while not heard:
            await real.sleep(0.01)

    try:
        real.run(whole())
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert heard in ([1], [1, 1])


@given(st.integers(0, 255), st.sampled_from([1, 2, 9, 11, 15]))
def test_the_code_of_a_wait_status_is_what_a_shell_would_say(code: int, number: int) -> None:
    assert exit_code(code << 8) == code
    assert exit_code(number) == 128 + number
    assert exit_code(number | 0x80) == 128 + number  # with a core file


# ---------------------------------------------------------------- descriptors


def test_a_pipe_is_readable_when_something_is_in_it_or_it_is_closed(real: Loop) -> None:
    reading, writing = os.pipe()

    async def reads() -> list[bytes]:
        found = []
        for _ in range(2):
            await real.readable(reading)
            found.append(os.read(reading, 10))
        return found

    async def whole() -> list[bytes]:
        task = real.start(reads())
        await real.sleep(0.01)
        os.write(writing, b"data")
        await real.sleep(0.01)
        os.close(writing)
        return list(await task)

    assert real.run(whole()) == [b"data", b""]
    os.close(reading)


def test_a_full_pipe_is_writable_when_there_is_room(real: Loop) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    while os.write(writing, b"x" * 10**6) == 10**6:
        pass

    async def whole() -> bool:
        task = real.start(real.writable(writing))
        await real.sleep(0.01)
        waited = not task.is_done
        os.read(reading, 65536)
        await task
        return waited

    assert real.run(whole())
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_a_plain_file_is_always_readable(real: Loop) -> None:
    with Path(__file__).open("rb") as file:
        real.run(real.readable(file.fileno()))


def test_who_waits_for_a_descriptor_is_not_forgotten_for_another_who_may_not(real: Loop) -> None:
    reading, writing = os.pipe()

    async def whole() -> None:
        first = real.start(real.readable(reading))
        await real.sleep(0)
        with pytest.raises(FileExistsError):
            await real.readable(reading)
        os.write(writing, b"x")
        await first

    real.run(whole())
    for end in (reading, writing):
        os.close(end)


def test_a_cancelled_wait_does_not_keep_the_descriptor(real: Loop) -> None:
    reading, writing = os.pipe()

    async def whole() -> None:
        for _ in range(2):
            task = real.start(real.readable(reading))
            await real.sleep(0.001)
            task.cancel()
        os.write(writing, b"x")
        await real.readable(reading)

    real.run(whole())
    for descriptor in (reading, writing):
        os.close(descriptor)
