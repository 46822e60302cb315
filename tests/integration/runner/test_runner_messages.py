"""A container's last words for Kubernetes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.pod import Pod
from sidecar.job_output import report
from tests.jobs import a_container, a_pod
from tests.running import Starter


def saying(text: str, path: str = "/dev/termination-log", *, from_log: bool = False) -> Pod:
    container = a_container("main", "sh", "-c", text)
    return a_pod(replace(container, termination_message_path=path, termination_message_from_log=from_log))


def last_words(start: Starter, pod: Pod) -> str:
    job = start(pod)
    job.finish()
    (end,) = [fact for fact in job.facts if isinstance(fact, report.ContainerTerminated)]
    return end.message


def test_they_are_what_it_wrote_to_the_default_file_however_short_it_lived(start: Starter) -> None:
    assert last_words(start, saying("echo gone wrong >/dev/termination-log; exit 1")) == "gone wrong\n"


@pytest.mark.parametrize("path", ["/tmp/words", "/new/folder/words", "/dev/words"])
def test_the_file_may_be_another_one(start: Starter, path: str) -> None:
    pod = saying(f"echo bye >{path}", path)

    assert last_words(start, pod) == "bye\n"


def test_only_the_first_4096_bytes_count(start: Starter) -> None:
    text = "head -c 5000 /dev/zero | tr '\\0' x >/dev/termination-log"

    assert last_words(start, saying(text)) == "x" * 4096


def test_the_end_of_the_log_stands_in_after_a_failure_where_the_pod_wants_it(start: Starter) -> None:
    text = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; exit 1"
    lines = "".join(f"line {number}\n" for number in range(20, 100))

    assert last_words(start, saying(text, from_log=True)) == lines


@pytest.mark.parametrize("text", ["echo log; exit 0", "echo log; echo own >/dev/termination-log; exit 1"])
def test_the_log_does_not_stand_in_after_a_success_or_for_words_that_are_there(start: Starter, text: str) -> None:
    message = last_words(start, saying(text, from_log=True))

    assert message == ("own\n" if "own" in text else "")


def test_a_link_in_their_place_leads_nowhere(start: Starter) -> None:
    text = "rm /dev/termination-log; ln -s /etc/hostname /dev/termination-log"

    assert last_words(start, saying(text)) == ""
