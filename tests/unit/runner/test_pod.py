"""The order in which a pod's containers begin and end, with made-up containers and made-up time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner import pod as pods
from sidecar.runner.job import Job
from sidecar.runner.system.event_loop import Future
from tests.unit.runner.documents import a_container, a_pod
from tests.unit.runner.loops import InstantLoop, closing


@dataclass
class Behaviour:
    """What a container does."""

    code: int = 0
    seconds: float = 1
    starts_after: float = 0
    ends_after: float = 0
    """Seconds that it takes to end once it is asked to."""


@dataclass
class World:
    """One pod in its made-up time."""

    loop: InstantLoop
    root: Path
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    graces: dict[str, float] = field(default_factory=dict)
    stop_at: float | None = None
    expire_at: float | None = None

    def run(self, *containers: tuple[str, str, Behaviour], **fields: Any) -> int:
        """Each container: its name, its role, and what it does."""
        self.behaviours = {name: behaviour for name, _, behaviour in containers}
        documents = [a_container(name, role) for name, role, _ in containers]
        site = {"data_root": str(self.root), "shared_fs": False}
        document = a_pod(*documents, site=site, **fields)
        path = str(self.root)
        self.job = Job(self.loop, document, directory=path, files_root=path, private=path, environment={})
        self.began = self.loop.now()
        for seconds, future in ((self.stop_at, self.job.stopping), (self.expire_at, self.job.expired)):
            if seconds is not None:
                self.loop.start(self._ask(seconds, future))
        return int(self.loop.run(pods.Pod(SimpleNamespace(job=self.job, world=self)).run()))  # type: ignore[arg-type]

    async def _ask(self, seconds: float, future: Future) -> None:
        await self.loop.sleep(seconds)
        self.job.begin_grace()
        future.set()

    def tell(self, text: str) -> None:
        self.story.append(text)


class MadeUp:
    """In place of a container that runs."""

    def __init__(self, parts: Any, document: Any) -> None:
        self.world: World = parts.world
        self.loop = self.world.loop
        self.document = document
        self.name = document["name"]
        self.must_end, self.has_started = Future(), Future()

    def end(self, grace_seconds: float) -> None:
        self.world.graces.setdefault(self.name, grace_seconds)
        self.must_end.set(grace_seconds)

    async def supervise(self) -> int:
        does = self.world.behaviours[self.name]
        self.world.tell(f"{self.name} begins")
        self.loop.timer(does.starts_after).when_done(lambda _: self.has_started.set())
        if await self.loop.first_of(self.must_end, seconds=does.seconds) is not None:
            await self.loop.sleep(min(does.ends_after, self.must_end.value))
            code = 143
        else:
            code = does.code
        self.world.tell(f"{self.name} ends")
        return code


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "Container", MadeUp)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(InstantLoop()) as loop:
        assert isinstance(loop, InstantLoop)
        yield World(loop, tmp_path)


FOREVER = 10**6


def test_init_containers_come_one_after_another_and_mains_side_by_side(world: World) -> None:
    code = world.run(
        ("one", "init", Behaviour(seconds=3)),
        ("two", "init", Behaviour()),
        ("a", "main", Behaviour(seconds=5)),
        ("b", "main", Behaviour(seconds=2)),
    )

    assert code == 0
    assert world.story == [
        *("one begins", "one ends", "two begins", "two ends"),
        *("a begins", "b begins", "b ends", "a ends"),
    ]


def test_nothing_comes_after_an_init_container_that_failed(world: World) -> None:
    code = world.run(("one", "init", Behaviour(code=4)), ("two", "init", Behaviour()), ("a", "main", Behaviour()))

    assert code == 4
    assert world.story == ["one begins", "one ends"]


def test_the_jobs_code_is_that_of_the_first_main_container_that_failed(world: World) -> None:
    mains = [("a", Behaviour(0)), ("b", Behaviour(5, seconds=9)), ("c", Behaviour(6))]

    assert world.run(*((name, "main", does) for name, does in mains)) == 5


def test_a_sidecar_is_waited_for_until_it_has_started_and_ends_after_the_mains(world: World) -> None:
    code = world.run(
        ("side", "sidecar", Behaviour(seconds=FOREVER, starts_after=7)), ("a", "main", Behaviour(seconds=3))
    )

    assert code == 0
    assert world.story == ["side begins", "a begins", "a ends", "side ends"]
    assert world.loop.now() - world.began == pytest.approx(10, abs=0.1)


def test_sidecars_end_one_by_one_the_last_first_within_one_grace_period(world: World) -> None:
    stubborn = Behaviour(seconds=FOREVER, ends_after=FOREVER)
    world.run(
        *((name, "sidecar", stubborn) for name in ("one", "two", "three")),
        ("a", "main", Behaviour()),
        grace_seconds=10,
    )

    assert world.story[-3:] == ["three ends", "two ends", "one ends"]
    assert world.graces == pytest.approx({"three": 10, "two": 2, "one": 2}, abs=0.1)


def test_a_sidecar_that_cannot_start_ends_the_pod(world: World) -> None:
    side = Behaviour(code=128, seconds=2, starts_after=FOREVER)

    assert world.run(("side", "sidecar", side), ("a", "main", Behaviour())) == 128
    assert world.story == ["side begins", "side ends"]


def test_a_stopped_job_ends_its_mains_then_its_sidecars_with_what_time_is_left(world: World) -> None:
    world.stop_at = 5
    code = world.run(
        ("side", "sidecar", Behaviour(seconds=FOREVER)),
        ("a", "main", Behaviour(seconds=FOREVER, ends_after=4)),
        ("b", "main", Behaviour(seconds=FOREVER, ends_after=1)),
        grace_seconds=10,
    )

    assert code == 143
    assert world.story[-3:] == ["b ends", "a ends", "side ends"]
    assert world.graces == pytest.approx({"a": 10, "b": 10, "side": 6}, abs=0.1)


def test_a_job_stopped_during_an_init_container_starts_nothing_more(world: World) -> None:
    world.stop_at = 1
    code = world.run(("one", "init", Behaviour(seconds=3)), ("two", "init", Behaviour()), ("a", "main", Behaviour()))

    assert code == 143
    assert world.story == ["one begins", "one ends"]


def test_a_job_stopped_just_as_the_last_init_container_succeeds_starts_no_main(world: World) -> None:
    world.stop_at = 3
    world.behaviours = {}
    code = world.run(("one", "init", Behaviour(seconds=3)), ("a", "main", Behaviour()))

    assert code == 143
    assert "a begins" not in world.story


def test_a_pod_that_expires_failed_also_where_its_containers_ended_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Polite(MadeUp):
        async def supervise(self) -> int:
            await super().supervise()
            return 0

    monkeypatch.setattr(pods, "Container", Polite)
    world.expire_at = 2

    assert world.run(("a", "main", Behaviour(seconds=FOREVER))) == 143


@given(st.lists(st.sampled_from(["init", "sidecar", "main"]), max_size=6), st.integers(0, 6), st.integers(0, 12))
def test_whatever_the_pod_every_container_that_began_has_ended(
    tmp_path_factory: pytest.TempPathFactory, roles: list[str], fails: int, stop_at: int
) -> None:
    numbers = itertools.count()
    containers = [
        (f"c{n}", role, Behaviour(code=int(n == fails), seconds=2 if role != "sidecar" else FOREVER))
        for n, role in zip(numbers, roles, strict=False)
    ]
    with closing(InstantLoop()) as loop:
        assert isinstance(loop, InstantLoop)
        world = World(loop, tmp_path_factory.getbasetemp(), stop_at=stop_at)
        world.run(*containers, ("last", "main", Behaviour(seconds=2)))
    began = [line.split()[0] for line in world.story if line.endswith("begins")]
    ended = [line.split()[0] for line in world.story if line.endswith("ends")]

    assert sorted(began) == sorted(ended)
    assert len(began) == len(set(began))
