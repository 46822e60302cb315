"""``kubectl logs`` with its options."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.counting import a_patient_pod, release
from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod
from tests.virtual_kubelet.interlink import CallFailed
from tests.virtual_kubelet.kubelet import VirtualKubelet

TEN_LINES = "for n in 1 2 3 4 5 6 7 8 9 10; do echo line $n; done"


@pytest.fixture(scope="module")
def finished(vk: VirtualKubelet) -> str:
    """A pod that has written ten lines."""
    vk.create_pod(a_pod("ten-lines", script=TEN_LINES))
    vk.wait_for("ten-lines", "Succeeded")
    return "ten-lines"


@pytest.fixture(scope="module")
def talking(vk: VirtualKubelet, daemon: Daemon) -> Iterator[str]:
    """A pod that has said hello and says more when it is released."""
    vk.create_pod(a_patient_pod("talking", daemon, "echo bye; echo oops >&2", first="echo hello"))
    vk.wait_for("talking", "Running")
    vk.wait_until(lambda: "hello" in vk.logs("talking"), "talking")
    yield "talking"
    vk.delete_pod("talking", grace_seconds=0)


def test_the_log_of_a_running_container_is_there_at_once(vk: VirtualKubelet, talking: str) -> None:
    assert vk.logs(talking) == "hello\n"
    assert vk.phase_of(talking) == "Running"


def test_following_ends_when_the_container_has_ended_and_misses_nothing(
    vk: VirtualKubelet, daemon: Daemon, talking: str
) -> None:
    with vk.follow(talking) as pieces:
        first = next(pieces)
        release(talking, daemon)
        rest = "".join(pieces)

    assert first == "hello\n"
    assert sorted(rest.splitlines()) == ["bye", "oops"]


def test_following_a_finished_container_gives_its_log_and_ends(vk: VirtualKubelet, finished: str) -> None:
    with vk.follow(finished, tail=2) as pieces:
        assert "".join(pieces) == "line 9\nline 10\n"


def test_the_tail_is_the_last_lines(vk: VirtualKubelet, finished: str) -> None:
    assert vk.logs(finished, tail=3) == "line 8\nline 9\nline 10\n"
    assert vk.logs(finished, tail=100) == vk.logs(finished)


def test_limit_bytes_are_the_first_bytes(vk: VirtualKubelet, finished: str) -> None:
    assert vk.logs(finished, limit_bytes=10) == "line 1\nlin"


def test_timestamps_stand_before_every_line(vk: VirtualKubelet, finished: str) -> None:
    lines = vk.logs(finished, timestamps=True).splitlines()

    stamps = [re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) line \d+", line) for line in lines]
    assert len(lines) == 10
    assert all(stamps)
    moments = [datetime.fromisoformat(match[1][:19] + "+00:00") for match in stamps if match]
    assert all(earlier <= later for earlier, later in itertools.pairwise(moments))
    assert datetime.now(UTC) - moments[0] < timedelta(minutes=10)


def test_since_leaves_out_what_is_older(vk: VirtualKubelet, finished: str) -> None:
    assert vk.logs(finished, since_seconds=3600) == vk.logs(finished)
    assert vk.logs(finished, since_time=datetime.now(UTC) + timedelta(minutes=1)) == ""


def test_there_is_no_previous_log_of_a_container_that_never_restarted(vk: VirtualKubelet, finished: str) -> None:
    with pytest.raises(CallFailed, match="never restarted"):
        vk.logs(finished, previous=True)


def test_there_is_no_log_of_a_container_that_the_pod_has_not(vk: VirtualKubelet, finished: str) -> None:
    with pytest.raises(CallFailed, match="has no container"):
        vk.logs(finished, "nobody")


def test_a_container_that_has_not_started_has_no_log_and_the_error_says_why(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("held-log", flags="--hold"))
    vk.wait_until(lambda: "Held" in str(vk.container("held-log")["state"]), "held-log")

    with pytest.raises(CallFailed, match="waiting to start"):
        vk.logs("held-log")
    vk.delete_pod("held-log")


def test_a_large_log_arrives_whole(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("large", a_container(script="seq 1 300000")))
    vk.wait_for("large", "Succeeded")

    assert vk.logs("large") == "".join(f"{number}\n" for number in range(1, 300001))
    assert vk.logs("large", tail=2) == "299999\n300000\n"


ROTATING = {"ContainerLogMaxSize": "64Ki", "ContainerLogMaxFiles": 3}
"""A site that lets a container's log have little room."""


@pytest.mark.parametrize("own_daemon", [ROTATING], indirect=True)
def test_following_goes_on_over_rotations_and_misses_nothing(own_vk: VirtualKubelet, own_daemon: Daemon) -> None:
    last = 40000  # some 230 kB
    talks = f"n=0; while [ $n -lt {last} ]; do seq $((n + 1)) $((n += 1000)); sleep 0.1; done"
    uid = own_vk.create_pod(a_patient_pod("rotating", own_daemon, talks, first="echo begun"))["metadata"]["uid"]
    own_vk.wait_for("rotating", "Running")
    with own_vk.follow("rotating") as pieces:
        first = next(pieces)
        release("rotating", own_daemon)
        rest = "".join(pieces)
    own_vk.wait_for("rotating", "Succeeded")

    assert (first + rest).splitlines() == ["begun", *(str(n) for n in range(1, last + 1))]
    logs = list(own_daemon.directory(uid).glob("logs/main.0.log*"))
    assert len(logs) == 3
    assert all(path.stat().st_size <= 64 * 1024 for path in logs)
    assert own_vk.logs("rotating").endswith(f"\n{last}\n")
