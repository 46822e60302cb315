"""A script in place of the containers, run by a process of its own as in a job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.contract import pod_document
from sidecar.runner.job_script import code_in
from tests.running import running, wait_until
from tests.unit.runner.documents import a_container, a_pod

RUN = """
import os, sys, time
from sidecar.runner.contract import pod_document
from sidecar.runner.job import Job
from sidecar.runner.job_script import run_job_script
from sidecar.runner.system.event_loop import Loop
root = sys.argv[1]
document = pod_document.decode(open(root + "/pod.json", "rb").read())
job = Job(Loop(), document, directory=root, files_root=root, private=root, environment=dict(os.environb))
job.heed_signals()
if document["deadline_seconds"]:
    job.set_deadline(document["deadline_seconds"], time.time())
sys.exit(job.loop.run(run_job_script(job)))
"""
SLEEP = f"sleep {10**6 + os.getpid()}"
"""Of these tests alone."""


class Script:
    """A script that runs in the pod's directory ``root``."""

    def __init__(self, root: Path, text: str, *names: str, **fields: Any) -> None:
        self.root = root
        mains = [a_container(name) for name in names or ("main",)]
        document = a_pod(a_container("setup", "init"), *mains, job_script=text, **fields)
        (root / "logs").mkdir(exist_ok=True)
        (root / "pod.json").write_bytes(pod_document.encode(document))
        self.process = subprocess.Popen([sys.executable, "-c", RUN, root], env={**os.environ, "FROM": "the job"})

    def finish(self) -> int:
        return self.process.wait(timeout=60)

    def log(self, name: str = "main") -> str:
        return (self.root / "logs" / f"{name}.0.log").read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: (self.root / "logs/main.0.log").exists() and text in self.log())

    def story(self) -> list[str]:
        facts = map(json.loads, (self.root / "report.jsonl").read_text().splitlines())
        return [" ".join([fact["fact"], *(str(fact[k]) for k in ("container", "code") if k in fact)]) for fact in facts]


def test_it_runs_once_in_place_of_the_containers(tmp_path: Path) -> None:
    script = Script(tmp_path, "#!/bin/sh\necho out; echo err >&2; echo $FROM; umask; read x || echo empty; exit 6")

    assert script.finish() == 6
    assert script.log() == "out\nerr\nthe job\n0022\nempty\n"
    assert script.story() == [
        "container_started setup",
        "container_terminated setup 0",
        "container_started main",
        "container_terminated main 6",
    ]
    assert (tmp_path / "jobscript/script").stat().st_mode & 0o777 == 0o700


def test_its_first_line_names_its_interpreter(tmp_path: Path) -> None:
    script = Script(tmp_path, "#!/usr/bin/awk -f\nBEGIN { print 6 * 7 }")

    assert script.finish() == 0
    assert script.log() == "42\n"


def test_an_interpreter_that_is_not_there_is_told_in_the_log(tmp_path: Path) -> None:
    script = Script(tmp_path, "#!/no/such/shell\n")

    assert script.finish() == 126
    assert "cannot be started: No such file or directory" in script.log()


def test_it_may_tell_how_each_container_ended_and_write_each_log(tmp_path: Path) -> None:
    text = """
    echo first >$SANDBOX/run-main.out; echo 0 >$SANDBOX/run-main.status
    echo second >>$workingPath/run-other.out; echo 9 >run-other.status
    echo prepared >init-setup.out; echo 0 >init-setup.status; mkfifo no.status
    """
    script = Script(tmp_path, text, "main", "other", "third")

    assert script.finish() == 9
    assert [script.log("main"), script.log("other"), script.log("setup")] == ["first\n", "second\n", "prepared\n"]
    assert script.story()[-3:] == [f"container_terminated {end}" for end in ("main 0", "other 9", "third 9")]


def test_what_it_started_is_told_to_end_with_it(tmp_path: Path) -> None:
    script = Script(tmp_path, f"trap 'echo told; exit 3' TERM\necho up\n{SLEEP}\necho went on")
    script.wait_for("up")
    wait_until(lambda: bool(running(SLEEP)))
    script.process.send_signal(signal.SIGTERM)

    assert script.finish() == 3
    assert "told" in script.log()
    assert "went on" not in script.log()
    assert not running(SLEEP)
    assert script.story()[-2:] == ["job_stopping", "container_terminated main 3"]


def test_it_is_killed_when_its_grace_period_is_over(tmp_path: Path) -> None:
    script = Script(tmp_path, "trap '' TERM\necho up\nwhile :; do sleep 0.1; done", grace_seconds=1)
    script.wait_for("up")
    script.process.send_signal(signal.SIGTERM)

    assert script.finish() == 137
    assert script.story()[-2:] == ["job_stopping", "container_terminated main 137"]


def test_the_pods_deadline_ends_it_and_it_has_failed_whatever_it_says(tmp_path: Path) -> None:
    script = Script(tmp_path, "#!/bin/bash\ntrap 'exit 0' TERM\nwhile :; do sleep 0.1; done", deadline_seconds=1)

    assert script.finish() == 143
    assert script.story()[-2:] == ["deadline_exceeded", "container_terminated main 143"]


def test_the_same_job_can_run_it_again(tmp_path: Path) -> None:
    assert Script(tmp_path, "echo one").finish() == 0
    again = Script(tmp_path, "echo two")

    assert again.finish() == 0
    assert again.log() == "one\ntwo\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"7\n", 7), (b" 007 \nrest", 7), (b"255", 255), (b"", None), (b"-1", None), (b"1234", None), (b"7 8", None)],
)
def test_a_code_is_a_small_number_on_the_first_line(text: bytes, code: int | None) -> None:
    assert code_in(text) == code


@given(st.binary(max_size=70))
def test_whatever_a_status_file_holds_is_a_code_or_none(text: bytes) -> None:
    assert code_in(text) in (None, *range(1000))
