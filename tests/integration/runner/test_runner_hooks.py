"""What a container does after its start and before its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.health import Action, ExecAction, HttpAction, Probe, SleepAction
from sidecar.domain.pod import Container
from sidecar.job_output import report
from tests.answering import web_server
from tests.jobs import a_container, a_pod
from tests.running import Job, Starter, running, wait_until

# In the background, or the shell might tell that it was killed.
FOREVER = "sleep 494 & while :; do wait; done"
PATIENT = f'trap "echo told; exit 5" TERM; echo up; {FOREVER}'
OBEYS = "trap 'exit 143' TERM; while :; do sleep 0.1; done"
STUBBORN = f'trap "echo told" TERM; echo up; {FOREVER}'


def command(text: str) -> ExecAction:
    return ExecAction(command=("sh", "-c", text))


def say(word: str) -> ExecAction:
    """Into the container's log, by the file that its first process writes to."""
    return command(f"echo {word} >/proc/$(cat /tmp/id)/fd/1")


def with_hooks(
    text: str, *, before: Action | None = None, after: Action | None = None, name: str = "main"
) -> Container:
    container = a_container(name, "sh", "-c", f"echo $$ >/tmp/id; {text}")
    return replace(container, pre_stop=before, post_start=after)


def complaints(job: Job) -> list[tuple[str, str, str]]:
    return [(f.container, f.check, f.message) for f in job.facts if isinstance(f, report.ContainerUnhealthy)]


def has_started(job: Job, name: str = "main") -> bool:
    told = report.read(job.files, 0).facts
    return any(f.started for f in told if isinstance(f, report.ContainerHealth) and f.container == name)


def test_a_container_has_started_once_its_hook_has_succeeded(start: Starter) -> None:
    text = "until [ -e /tmp/go ]; do sleep 0.1; done; echo gone on; sleep 1; exit 5"
    with web_server() as web:
        request = web.get("/slow", headers=(("X-Hook", "start"),))
        job = start(
            a_pod(
                with_hooks(text, after=command("(sleep 0.3; touch /tmp/go) &"), name="command"),
                with_hooks("sleep 491", after=request, name="request"),
                with_hooks("sleep 491", after=SleepAction(seconds=1), name="sleep"),
                grace_seconds=1,
            )
        )
        wait_until(lambda: has_started(job, "command") and has_started(job, "sleep") and web.count("/slow") == 1)
        waits = not has_started(job, "request")
        web.go_on.set()
        wait_until(lambda: has_started(job, "request"))
        assert ("X-Hook", "start") in web.headers[0]
    job.terminate()
    job.finish()

    assert waits
    first = [f for f in job.facts if isinstance(f, report.ContainerStarted)]
    assert [(f.started, f.ready) for f in first] == [(False, False)] * 3
    assert job.log("command") == "gone on\n"
    assert complaints(job) == []


def test_a_container_whose_hook_fails_after_its_start_is_ended(start: Starter) -> None:
    nobody = HttpAction(scheme="http", port=1)
    job = start(
        a_pod(
            with_hooks(PATIENT, after=command("until [ -e /tmp/id ]; do sleep 0.1; done; sleep 0.5; echo no; exit 1")),
            with_hooks(OBEYS, after=nobody, name="request"),
            with_hooks(OBEYS, after=ExecAction(command=("/not/there",)), name="missing"),
            grace_seconds=2,
        )
    )

    assert job.finish() == 5
    told = {name: (check, message) for name, check, message in complaints(job)}
    assert told["main"] == ("postStart", "no")
    assert "refused" in told["request"][1]
    assert "/not/there" in told["missing"][1]
    # A signal that comes before a shell has its trap does nothing, as it is process 1.
    assert job.story()[-1] == "JobFinished 5"
    for name in "request", "missing":
        assert {f"ContainerTerminated {name}.0 {code}" for code in (137, 143)} & set(job.story())


def test_probes_wait_for_the_hook(start: Starter) -> None:
    early = Probe(action=command("[ -e /tmp/hooked ]"), period_seconds=1, failure_threshold=1)
    container = with_hooks(PATIENT, after=command("sleep 1.5; touch /tmp/hooked"))
    job = start(a_pod(replace(container, startup=early, liveness=early, readiness=early)))
    wait_until(lambda: has_started(job) and "ready" in str(job.files.report.read_text()))
    wait_until(lambda: any(f.ready for f in report.read(job.files, 0).facts if isinstance(f, report.ContainerHealth)))
    job.terminate()

    assert job.finish() == 5
    assert complaints(job) == []


def test_the_hook_before_the_end_runs_before_the_signal(start: Starter) -> None:
    job = start(a_pod(with_hooks(PATIENT, before=say("hook"))))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 5
    assert job.log() == "up\nhook\ntold\n"
    assert complaints(job) == []


def test_a_request_and_a_pause_may_come_before_the_end(start: Starter) -> None:
    with web_server() as web:
        job = start(
            a_pod(
                with_hooks(PATIENT, before=web.get("/slow?end"), name="request"),
                with_hooks(STUBBORN, before=SleepAction(seconds=1), name="short-pause"),
                with_hooks(STUBBORN, before=SleepAction(seconds=300), name="long-pause"),
                grace_seconds=2,
            )
        )
        for name in "request", "short-pause", "long-pause":
            job.wait_for("up", name)
        job.terminate()
        assert job.finish() == 5
        assert web.asked == ["/slow?end"]
    for name in "request", "short-pause", "long-pause":
        assert job.log(name) == "up\ntold\n"
    assert {"ContainerTerminated short-pause.0 137", "ContainerTerminated long-pause.0 137"} < {*job.story()}
    assert complaints(job) == []


def test_a_hook_that_takes_longer_than_the_grace_period_leaves_two_seconds_after_the_signal(start: Starter) -> None:
    long = command("sleep 493")
    patient = 'trap "sleep 1; echo told; exit 5" TERM; echo up; while :; do sleep 0.1; done'
    containers = with_hooks(patient, before=long), with_hooks(STUBBORN, before=long, name="stubborn")
    job = start(a_pod(*containers, grace_seconds=1))
    for name in "main", "stubborn":
        job.wait_for("up", name)
    job.terminate()

    assert job.finish() == 5
    assert job.log("stubborn") == job.log() == "up\ntold\n"
    assert "ContainerTerminated stubborn.0 137" in job.story()
    assert sorted(complaints(job)) == [(name, "preStop", "no answer within 1 s") for name in ("main", "stubborn")]
    assert running("sleep 493") == []


def test_a_hook_that_fails_before_the_end_stops_nothing(start: Starter) -> None:
    job = start(a_pod(with_hooks(PATIENT, before=command("echo no; exit 1"))))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 5
    assert job.log() == "up\ntold\n"
    assert complaints(job) == [("main", "preStop", "no")]


@pytest.mark.parametrize("code", [0, 3])
def test_there_is_no_hook_before_an_end_that_comes_by_itself(start: Starter, code: int) -> None:
    with web_server() as web:
        job = start(a_pod(with_hooks(f"sleep 0.5; exit {code}", before=web.get("/end"))))

        assert job.finish() == code
        assert web.asked == []


def test_without_a_grace_period_there_is_no_hook_and_no_signal(start: Starter) -> None:
    with web_server() as web:
        job = start(a_pod(with_hooks(PATIENT, before=web.get("/end")), grace_seconds=0))
        job.wait_for("up")
        job.terminate()

        assert job.finish() == 137
        assert web.asked == []
    assert job.log() == "up\n"


def test_the_hook_runs_also_before_a_container_is_ended_for_its_health(start: Starter) -> None:
    dead = Probe(action=command("! [ -e /tmp/up ]"), period_seconds=1, failure_threshold=1)
    job = start(
        a_pod(replace(with_hooks(PATIENT.replace("echo up", "touch /tmp/up"), before=say("hook")), liveness=dead))
    )

    assert job.finish() == 5
    assert job.log() == "hook\ntold\n"
    assert [check for _, check, _ in complaints(job)] == ["liveness"]


def test_a_hook_works_on_a_read_only_root_beside_a_process_that_ignores_the_signal(start: Starter) -> None:
    text = 'trap "" TERM; until [ -e /tmp/hooked ]; do sleep 0.1; done; echo hooked; ' + FOREVER
    container = with_hooks(text, after=command("touch /tmp/hooked; ! touch /new"), before=say("hook"))
    job = start(a_pod(replace(container, read_only_root=True), grace_seconds=2))
    job.wait_for("hooked")
    wait_until(lambda: has_started(job))
    job.terminate()

    assert job.finish() == 137
    assert job.log() == "hooked\nhook\n"
    assert complaints(job) == []


def test_another_signal_may_ask_the_container_to_end(start: Starter) -> None:
    text = 'trap "echo told; exit 5" USR1; trap "echo wrong" TERM; echo up; while :; do sleep 0.1; done'
    job = start(a_pod(replace(a_container("main", "sh", "-c", text), stop_signal="USR1")))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 5
    assert job.log() == "up\ntold\n"
