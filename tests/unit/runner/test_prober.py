"""What is asked of a container and when, and what follows from the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import pytest

from sidecar.runner.probes.outcomes import Outcome
from sidecar.runner.probes.prober import Listener, Prober, first_health
from sidecar.runner.system.event_loop import Loop, Task
from tests.unit.runner.asking import http, no_command, raw_server, until_closed
from tests.unit.runner.loops import InstantLoop, closing

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import ActionDocument, ContainerDocument, ProbeDocument

Answer = Callable[[float], bool]
"""Whether a command succeeds, so many seconds after the container's start."""


def command(name: str) -> ActionDocument:
    return {"kind": "exec", "command": [name]}


def a_probe(name: str, **fields: int | None) -> ProbeDocument:
    timing = {
        "initial_delay_seconds": 0,
        "period_seconds": 10,
        "timeout_seconds": 1,
        "success_threshold": 1,
        "failure_threshold": 1,
        "grace_seconds": None,
    }
    return cast("ProbeDocument", {"action": command(name), **timing, **fields})


def a_container(**fields: object) -> ContainerDocument:
    nothing = dict.fromkeys(("startup", "liveness", "readiness", "post_start", "pre_stop"))
    return cast("ContainerDocument", {**nothing, **fields})


class Story(Listener):
    """One run of a container, whose commands take a second each and answer as they are told."""

    def __init__(self, loop: Loop, container: ContainerDocument, answers: dict[str, Answer]) -> None:
        self.loop = loop
        self.began = loop.now()
        self.answers = answers
        self.asked: list[tuple[str, int]] = []
        self.told: list[object] = []
        self.runs = True
        self.cancels = False
        self.prober = Prober(loop, container, self.execute, self, self.began)
        self.task: Task | None = None

    def seconds(self) -> float:
        return self.loop.now() - self.began

    async def execute(self, words: list[str], seconds: float | None) -> Outcome:
        (name,) = words
        self.asked.append((name, int(self.seconds())))
        ok = name not in self.answers or self.answers[name](self.seconds())
        await self.loop.sleep(0.5)
        return Outcome(ok, f"{name} says {'yes' if ok else 'no'}")

    def on_health(self, started: bool, ready: bool, words: str) -> None:
        self.told.append((int(self.seconds()), started, ready, words))

    def on_unhealthy(self, check: str, words: str, grace_seconds: int | None) -> None:
        self.told.append((int(self.seconds()), check, words, grace_seconds))
        if self.cancels:
            assert self.task is not None
            self.task.cancel()

    def is_running(self) -> bool:
        return self.runs

    def live(self, seconds: float = 60) -> list[object]:
        """Let it run so long, and return what was told."""

        async def run() -> None:
            self.task = self.loop.start(self.prober.run())
            await self.loop.sleep(seconds)
            was_done = self.task.is_done
            self.task.cancel()
            assert self.task.is_done
            if was_done:
                await self.task

        self.loop.run(run())
        return self.told

    def times(self, name: str) -> list[int]:
        return [at for asked, at in self.asked if asked == name]


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(InstantLoop()) as loop:
        yield loop


def never(at: float) -> bool:
    return False


def after(seconds: float) -> Answer:
    return lambda at: at >= seconds


def until(seconds: float) -> Answer:
    return lambda at: at < seconds


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (True, True)),
        ({"liveness": a_probe("x"), "pre_stop": command("x")}, (True, True)),
        ({"readiness": a_probe("x")}, (True, False)),
        ({"startup": a_probe("x")}, (False, False)),
        ({"post_start": command("x")}, (False, False)),
    ],
)
def test_a_container_is_ready_at_once_unless_something_is_to_be_asked(
    fields: dict[str, object], expected: tuple[bool, bool]
) -> None:
    assert first_health(a_container(**fields)) == expected


def test_a_container_without_questions_has_started_and_there_is_no_news(loop: Loop) -> None:
    story = Story(loop, a_container(), {})

    assert story.prober.has_started.is_done
    assert story.live() == []


def test_a_probe_is_asked_once_a_period_after_its_delay(loop: Loop) -> None:
    story = Story(loop, a_container(readiness=a_probe("r", initial_delay_seconds=7)), {})

    assert story.live(40) == [(7, True, True, "")]
    assert story.times("r") == [7, 17, 27, 37]


def test_a_delay_counts_from_the_containers_start(loop: Loop) -> None:
    startup = a_probe("s", failure_threshold=9)
    container = a_container(startup=startup, liveness=a_probe("l", initial_delay_seconds=15))
    early = Story(loop, container, {"s": after(10)})
    early.live(22)
    assert early.times("s") == [0, 10]
    assert early.times("l") == [15]
    late = Story(loop, container, {"s": after(20)})
    late.live(22)
    assert late.times("l") == [20]


def test_startup_holds_back_the_others(loop: Loop) -> None:
    container = a_container(
        startup=a_probe("s", failure_threshold=9), readiness=a_probe("r"), liveness=a_probe("l", period_seconds=5)
    )
    story = Story(loop, container, {"s": after(20)})
    loop.call_soon(lambda: story.told.append(story.prober.has_started.is_done))

    assert story.live(29) == [False, (20, True, False, ""), (21, True, True, "")]
    assert story.prober.has_started.is_done
    assert story.asked == [("s", 0), ("s", 10), ("s", 20), ("r", 20), ("l", 20), ("l", 25)]


def test_without_a_readiness_probe_what_has_started_is_ready(loop: Loop) -> None:
    story = Story(loop, a_container(startup=a_probe("s")), {})

    assert story.live() == [(0, True, True, "")]
    assert story.times("s") == [0]


def test_a_container_that_does_not_start_is_unhealthy_and_asked_no_more(loop: Loop) -> None:
    container = a_container(startup=a_probe("s", failure_threshold=3, grace_seconds=4), readiness=a_probe("r"))
    story = Story(loop, container, {"s": never})

    assert story.live() == [(20, "startup", "s says no", 4)]
    assert story.asked == [("s", 0), ("s", 10), ("s", 20)]
    assert not story.prober.has_started.is_done


def test_probes_wait_for_the_hook(loop: Loop) -> None:
    story = Story(loop, a_container(post_start=command("hook"), startup=a_probe("s"), readiness=a_probe("r")), {})

    assert story.live(5) == [(1, True, False, ""), (1, True, True, "")]
    assert [name for name, _ in story.asked] == ["hook", "s", "r"]


def test_a_container_whose_hook_fails_is_unhealthy_and_asked_nothing(loop: Loop) -> None:
    story = Story(loop, a_container(post_start=command("hook"), liveness=a_probe("l")), {"hook": never})

    assert story.live() == [(0, "postStart", "hook says no", None)]
    assert story.asked == [("hook", 0)]


def test_readiness_comes_and_goes(loop: Loop) -> None:
    story = Story(loop, a_container(readiness=a_probe("r", failure_threshold=2)), {"r": lambda at: not 15 < at < 45})

    assert story.live(70) == [(0, True, True, ""), (30, True, False, "r says no"), (50, True, True, "")]


def test_a_container_that_never_was_ready_is_no_news(loop: Loop) -> None:
    story = Story(loop, a_container(readiness=a_probe("r")), {"r": after(35)})

    assert story.live() == [(40, True, True, "")]


def test_a_container_that_is_not_alive_is_unhealthy_once(loop: Loop) -> None:
    story = Story(loop, a_container(liveness=a_probe("l", failure_threshold=2, grace_seconds=0)), {"l": until(15)})

    assert story.live() == [(30, "liveness", "l says no", 0)]
    assert story.times("l") == [0, 10, 20, 30]


def test_readiness_is_asked_on_while_an_unhealthy_container_ends(loop: Loop) -> None:
    story = Story(loop, a_container(liveness=a_probe("l"), readiness=a_probe("r")), {"l": never, "r": until(15)})

    assert story.live() == [(0, True, True, ""), (0, "liveness", "l says no", None), (20, True, False, "r says no")]


def test_a_listener_may_cancel_the_prober_when_it_is_told(loop: Loop) -> None:
    story = Story(loop, a_container(liveness=a_probe("l"), readiness=a_probe("r")), {"l": never, "r": until(15)})
    story.cancels = True

    assert story.live() == [(0, True, True, ""), (0, "liveness", "l says no", None)]
    assert story.times("r") == [0]


def test_a_cancelled_prober_tells_nothing(loop: Loop) -> None:
    story = Story(loop, a_container(liveness=a_probe("l", initial_delay_seconds=5)), {"l": never})

    assert story.live(5.2) == []
    loop.run(loop.sleep(30))
    assert story.told == []


def test_a_prober_cancelled_in_the_round_of_its_verdict_tells_nothing(loop: Loop) -> None:
    story = Story(loop, a_container(liveness=a_probe("l")), {"l": never})
    tell = story.prober._tell

    def cancel_first(call: Callable[[], None]) -> None:
        assert story.task is not None
        loop.call_soon(story.task.cancel)
        tell(call)

    story.prober._tell = cancel_first  # type: ignore[method-assign]

    assert story.live() == []


def test_a_container_that_has_ended_by_itself_was_not_unhealthy(loop: Loop) -> None:
    story = Story(loop, a_container(liveness=a_probe("l")), {"l": never})
    story.runs = False

    assert story.live() == []
    assert story.times("l") == [0]


def test_a_slow_answer_is_followed_by_the_next_question_at_once(loop: Loop) -> None:
    story = Story(loop, a_container(liveness=a_probe("l", period_seconds=1)), {})

    async def slow(words: list[str], seconds: float | None) -> Outcome:
        story.asked.append((words[0], int(story.seconds() * 10)))
        await loop.sleep(2.5 if len(story.asked) == 1 else 0)
        return Outcome(True)

    story.prober = Prober(loop, a_container(liveness=a_probe("l", period_seconds=1)), slow, story, story.began)
    story.live(5)
    assert story.times("l") == [0, 25, 30, 40]


def test_an_error_of_this_program_ends_the_task(loop: Loop) -> None:
    container = a_container(liveness=a_probe("l"), readiness=a_probe("r"))
    prober = Prober(loop, container, no_command, Listener(), loop.now())

    with pytest.raises(NotImplementedError):
        loop.run(prober.run())


def test_cancelling_the_prober_closes_its_connections() -> None:
    asked, closed = threading.Event(), threading.Semaphore(0)

    def talk(client: object) -> None:
        asked.set()
        until_closed(client)  # type: ignore[arg-type]
        closed.release()

    async def run(loop: Loop, container: ContainerDocument) -> None:
        task = loop.start(Prober(loop, container, no_command, Listener(), loop.now()).run())
        while not asked.is_set():
            await loop.sleep(0.01)
        task.cancel()

    with closing(Loop()) as loop, raw_server(talk) as one, raw_server(talk) as other:
        liveness = {**a_probe("l"), "action": http(one), "timeout_seconds": 600}
        readiness = {**a_probe("r"), "action": http(other), "timeout_seconds": 600}
        loop.run(run(loop, a_container(liveness=liveness, readiness=readiness)))
        assert closed.acquire(timeout=60)
        assert loop._watched == {}
