"""Probes of real containers: what is asked and how, and what follows from the answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.domain.health import Action, ExecAction, HttpAction, Probe, TcpAction
from sidecar.domain.pod import Container, RestartPolicy
from sidecar.job_output import report
from tests.answering import NOT_SERVING, SERVING, WebServer, a_certificate, grpc_server, web_server
from tests.jobs import UID, a_container, a_pod
from tests.running import NASTY, Job, Starter, running, wait_until

ODD = "odd $(touch here) `id` \"'\\ \n é * ; end"
WAITS = "sleep 481"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def command(text: str) -> ExecAction:
    return ExecAction(command=("sh", "-c", text))


def every_second(action: Action, *, failures: int = 1, successes: int = 1, seconds: int = 10) -> Probe:
    return Probe(
        action=action,
        period_seconds=1,
        timeout_seconds=seconds,
        failure_threshold=failures,
        success_threshold=successes,
    )


def a_startup(name: str, action: Action, text: str = WAITS, *, seconds: int = 10) -> Container:
    """A container that tells by its start whether the action succeeds, and by its end that it does not."""
    return replace(a_container(name, "sh", "-c", text), startup=every_second(action, seconds=seconds))


def health_of(job: Job, name: str = "main") -> list[tuple[int, bool, bool]]:
    """The attempt, whether it has started, whether it is ready: all that was told so far."""
    return [
        (fact.attempt, fact.started, fact.ready)
        for fact in report.read(job.files, 0).facts
        if isinstance(fact, report.ContainerStarted | report.ContainerHealth) and fact.container == name
    ]


def complaints(job: Job) -> dict[str, str]:
    """What was said of each container that failed its probe so far."""
    return {
        fact.container: f"{fact.check}: {fact.message}"
        for fact in report.read(job.files, 0).facts
        if isinstance(fact, report.ContainerUnhealthy)
    }


def verdicts(start: Starter, *containers: Container) -> dict[str, str]:
    """For each container with a startup probe, ``""`` for a success or the reason of the failure."""
    job = start(a_pod(*containers, grace_seconds=1))

    def told() -> dict[str, str]:
        started = {c.name: "" for c in containers if (0, True, True) in health_of(job, c.name)}
        return started | {name: why.removeprefix("startup: ") for name, why in complaints(job).items()}

    wait_until(lambda: len(told()) == len(containers))
    found = told()
    job.terminate()
    job.finish()
    return found


def test_a_command_runs_as_one_of_the_containers_processes(start: Starter) -> None:
    env = {"NASTY": NASTY, "EMPTY": "", "IFS": "x", "RANDOM": "7", "UID": "8", "sidecar_limit": "9", "SHLVL": "40"}
    env |= {
        "LD_PRELOAD": "/nowhere.so",
        "LC_ALL": "xx_YY.odd",
        "POSIXLY_CORRECT": "1",
        "GLOBIGNORE": "*",
        "LANGUAGE": "x",
    }
    main = """
        echo $$ >/tmp/id; tr '\\0' '\\1' </proc/$$/environ >/tmp/own.new; mv /tmp/own.new /tmp/own
        until [ -e /tmp/asked ]; do sleep 0.1; done; cat /tmp/asked; exit 3
    """
    ask = """
        [ -e /tmp/own ] || exit 1
        tr '\\0' '\\1' </proc/$$/environ >/tmp/its; set -- /proc/$$/fd/* # and the one that this reads
        { pwd; umask; cat /proc/$(cat /tmp/id)/comm; tr '\\1' '\\n' </tmp/own | sort >/tmp/o
          tr '\\1' '\\n' </tmp/its | sort >/tmp/i
          diff /tmp/o /tmp/i; echo $# files; [ -e "$0" ] && echo not by a shell; } >/tmp/new 2>&1
        mv /tmp/new /tmp/asked
    """
    odd = f"/tmp/{ODD}"
    container = replace(
        a_container("main", "sh", "-c", main, env=env, working_dir="/var/tmp"),
        startup=every_second(ExecAction(command=("touch", odd))),
        readiness=every_second(ExecAction(command=("sh", "-c", ask, odd))),
    )
    job = start(a_pod(container))

    assert job.finish() == 3
    assert job.log() == "/var/tmp\n0022\nsh\n4 files\nnot by a shell\n"


def test_a_command_succeeds_or_fails_by_its_code_and_says_why(start: Starter) -> None:
    found = verdicts(
        start,
        a_startup("succeeds", command("exit 0")),
        a_startup("fails", command("echo so; echo this is why >&2; exit 3")),
        a_startup("takes-long", command("echo waiting; sleep 482; echo late"), seconds=1),
        a_startup("missing", ExecAction(command=("/no/such/program", "x"))),
    )

    assert "/no/such/program" in found.pop("missing")
    assert found == {"succeeds": "", "fails": "so\nthis is why", "takes-long": "waiting\nno answer within 1 s"}
    assert running("sleep 482") == []


def test_nothing_of_the_pods_environment_acts_on_the_node(start: Starter, tmp_path: Path) -> None:
    traps = tmp_path / "traps"
    traps.mkdir()
    for name in "env", "nsenter", "timeout", "sh", "touch", "readlink", "curl", "od":
        trap = traps / name
        trap.write_text(f"#!/bin/sh\n: >{traps}/sprung\nexec /bin/true\n")
        trap.chmod(0o755)
    spring = f"a[$(: >{traps}/sprung)]"
    env = {"PATH": f"{traps}:/bin:/usr/bin", "BASH_ENV": str(traps / "sh"), "ENV": str(traps / "sh")}
    env |= {f"sidecar_{name}": str(traps / "touch") for name in ("nsenter", "timeout", "env_program", "early")}
    env |= dict.fromkeys(("RANDOM", "SRANDOM", "OPTIND", "HISTCMD", "SECONDS", "LINENO", "sidecar_limit"), spring)
    env |= {"sidecar_spaces": spring, "PS4": f"$(: >{traps}/sprung)", "PROMPT_COMMAND": f": >{traps}/sprung"}
    env |= {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": f"{traps}/sprung", "LD_PRELOAD": f"{traps}/evil.so"}
    asks = command("[ $sidecar_nsenter ] && [ $LD_PRELOAD ] && touch /tmp/asked")
    text = "until [ -e /tmp/asked ]; do sleep 0.1; done; exit 3"
    container = replace(
        a_container("main", "sh", "-c", text, env=env),
        liveness=every_second(asks),
        post_start=asks,
        startup=every_second(asks),
    )
    job = start(a_pod(container))

    assert job.finish() == 3
    assert [path.name for path in traps.iterdir() if "sprung" in path.name] == []


def test_a_request_succeeds_by_its_status(start: Starter, web: WebServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = HttpAction(scheme="http", port=closed.getsockname()[1])
        found = verdicts(
            start,
            *(a_startup(f"c{code}", web.get(f"/status/{code}")) for code in (200, 399, 400, 500)),
            a_startup("nobody", nobody),
            a_startup("slow", web.get("/slow"), seconds=1),
        )
    words = "HTTP probe failed with statuscode: {}"
    nobody_said, slow_said = found.pop("nobody"), found.pop("slow")
    assert found == {"c200": "", "c399": "", "c400": words.format(400), "c500": words.format(500)}
    assert "refused" in nobody_said
    assert slow_said == "no answer within 1 s"
    assert "\n" not in nobody_said + slow_said


def test_redirects_are_followed_within_the_host_only(start: Starter, web: WebServer) -> None:
    here = f"http://127.0.0.1:{web.server_port}"
    assert verdicts(
        start,
        a_startup("relative", web.get("/to//status/500")),
        a_startup("same-host", web.get(f"/to/{here}/status/204")),
        a_startup("other-host", web.get(f"/to/http://localhost:{web.server_port}/status/501")),
        a_startup("disguised", web.get(f"/to/http://127.0.0.1:x@localhost:{web.server_port}/status/502")),
        a_startup("endless", web.get("/round")),
    ) == {
        "relative": "HTTP probe failed with statuscode: 500",
        "same-host": "",
        "other-host": "",
        "disguised": "",
        "endless": "stopped after 10 redirects",
    }  # fmt: skip
    assert web.count("/status/204") == 1
    assert {"/status/501", "/status/502"}.isdisjoint(web.asked)


def test_a_request_has_the_pods_path_and_headers(start: Starter, web: WebServer) -> None:
    headers = (
        ("Host", "my.host"),
        ("X-Odd", ODD.replace("\n", "\t")),
        ("X-Empty", ""),
        ("X-Blank", "  "),
        ("X-Two", "1"),
        ("X-Two", "2"),
    )
    path = "/a b/../é%20{x}[1-3]?q=$(id)&r='\"\\`%zz"
    verdicts(start, a_startup("main", web.get(path, headers=headers)))

    assert web.asked[0] == "/a%20b/../%C3%A9%20%7Bx%7D[1-3]?q=$(id)&r='%22%5C%60%zz"
    sent = [(name, value.encode("latin-1").decode()) for name, value in web.headers[0]]
    assert {*sent} > {("Host", "my.host"), ("X-Odd", ODD.replace("\n", "\t")), ("X-Empty", ""), ("X-Blank", "")}
    assert [value for name, value in sent if name == "X-Two"] == ["1", "2"]
    assert dict(sent)["User-Agent"].startswith("kube-probe/")


def test_https_and_grpc_take_any_certificate(start: Starter, tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    answers = {"": SERVING, "a": NOT_SERVING, "b": SERVING}
    with web_server(certificate) as web, grpc_server(answers) as plain, grpc_server(answers, certificate) as tls:
        found = verdicts(
            start,
            a_startup("https", web.get("/status/200", scheme="https")),
            a_startup("http", web.get("/status/200")),
            a_startup("serving", plain()),
            a_startup("not-serving", plain("a")),
            a_startup("named", plain("b")),
            a_startup("unknown", plain("c" * 200)),
            a_startup("tls", tls("b")),
            a_startup("no-tls", replace(tls(), tls=False)),
            a_startup("nonsense", replace(plain(), port=web.server_port), seconds=1),
        )
    assert found.pop("http")
    assert found.pop("no-tls")
    assert found.pop("nonsense")
    assert found == {
        "https": "",
        "serving": "",
        "not-serving": "the gRPC service is not SERVING",
        "named": "",
        "unknown": "the gRPC service did not answer the health check",
        "tls": "",
    }


def test_a_port_that_a_container_listens_at_can_be_connected_to(start: Starter) -> None:
    with socket.socket() as free, socket.socket() as closed:
        for each in free, closed:
            each.bind(("127.0.0.1", 0))
        port, unused = free.getsockname()[1], closed.getsockname()[1]
        free.close()
        found = verdicts(
            start,
            replace(
                a_container("listens", "sh", "-c", f"while :; do nc -l -p {port}; done"),
                startup=every_second(TcpAction(port=port), failures=30),
            ),
            a_startup("silent", TcpAction(host="localhost", port=unused)),
        )
    assert found["listens"] == ""
    assert "refused" in found["silent"].lower()


def test_secrets_are_in_no_process_arguments(start: Starter, web: WebServer) -> None:
    secret = "s3cret-for-probes"
    text = "until [ -e /tmp/there ]; do sleep 0.1; done; echo there; sleep 483"
    container = replace(
        a_container("main", "sh", "-c", text, env={"SECRET": secret}),
        readiness=every_second(web.get("/slow", headers=(("Authorization", secret),)), seconds=100),
        liveness=every_second(ExecAction(command=("sh", "-c", "touch /tmp/there; sleep 484")), seconds=100),
    )
    job = start(a_pod(container, grace_seconds=1))
    wait_until(lambda: web.count("/slow") == 1)
    job.wait_for("there")

    assert running("sleep 484") != []
    assert running(secret) == []
    assert (job.files.root / "pod.json").stat().st_mode & 0o777 == 0o600
    job.terminate()
    job.finish()
    assert running("sleep 484") == []


def test_startup_holds_back_liveness_and_readiness(start: Starter, web: WebServer) -> None:
    web.is_well = False
    container = replace(
        a_container("main", "sh", "-c", WAITS),
        startup=every_second(web.get("/flag"), failures=50),
        liveness=every_second(web.get("/status/201")),
        readiness=every_second(web.get("/status/202"), successes=2),
    )
    job = start(a_pod(container, grace_seconds=1))
    wait_until(lambda: web.count("/flag") >= 2)
    asked = {*web.asked}
    told = health_of(job)
    web.is_well = True
    wait_until(lambda: (0, True, True) in health_of(job))
    job.terminate()
    job.finish()

    assert asked == {"/flag"}
    assert told == [(0, False, False)]
    assert health_of(job) == [(0, False, False), (0, True, False), (0, True, True)]
    assert web.count("/status/202") >= 2
    assert web.count("/status/201") >= 1
    assert complaints(job) == {}


def _wait_for_health(job: Job, expected: tuple[int, bool, bool]) -> None:
    wait_until(lambda: health_of(job)[-1:] == [expected])


def test_readiness_comes_and_goes_and_what_is_ending_is_not_called_dead(start: Starter, web: WebServer) -> None:
    flag = every_second(web.get("/flag"), failures=2, successes=2)
    text = 'trap "touch /tmp/dying; sleep 2; exit 5" TERM; while :; do sleep 0.1; done'
    late = Probe(action=web.get("/late"), initial_delay_seconds=3, period_seconds=1)
    job = start(
        a_pod(
            replace(a_container("main", "sh", "-c", WAITS), readiness=flag),
            replace(a_container("late", "sh", "-c", WAITS), readiness=late),
            replace(a_container("dying", "sh", "-c", text), liveness=every_second(command("! [ -e /tmp/dying ]"))),
            grace_seconds=4,
        )
    )
    for is_well in True, False:
        web.is_well = is_well
        _wait_for_health(job, (0, True, is_well))
    wait_until(lambda: "/late" in web.asked)
    assert job.process.poll() is None
    job.terminate()
    job.finish()

    assert "ContainerTerminated dying.0 5" in job.story()
    assert health_of(job) == [(0, True, False), (0, True, True), (0, True, False)]
    (bad,) = [f for f in job.facts if isinstance(f, report.ContainerHealth) and not f.ready]
    assert bad.message == "HTTP probe failed with statuscode: 503"
    assert complaints(job) == {}
    assert web.asked[0] == "/flag"


# In the background, or the shell might tell that it was killed.
STUBBORN = 'trap "echo told" TERM; sleep 486 & while :; do wait; done'
POLITE = 'trap "echo told; sleep 2; exit 5" TERM; while :; do sleep 0.1; done'


def a_sick_one(name: str, text: str, *, grace_seconds: int | None = None) -> Container:
    """A container that writes ``up``, and is then found dead again and again."""
    sick = every_second(command("echo sick; ! [ -e /tmp/up ]"), failures=2)
    container = a_container(name, "sh", "-c", text.replace("while", "touch /tmp/up; echo up; while"))
    return replace(container, liveness=replace(sick, grace_seconds=grace_seconds))


def _terminate_after(job: Job, fact: str) -> None:
    wait_until(lambda: fact in job.story_so_far())
    job.terminate()


def test_a_container_that_is_not_alive_or_does_not_start_is_ended_and_may_start_again(start: Starter) -> None:
    late = every_second(command("echo not yet; exit 1"), failures=2)
    never = a_pod(
        a_sick_one("pods-grace", STUBBORN),
        a_sick_one("probes-grace", POLITE, grace_seconds=300),
        replace(a_container("starts", "sh", "-c", STUBBORN), startup=late),
        replace(a_container("polite", "sh", "-c", POLITE), startup=replace(late, grace_seconds=300)),
        grace_seconds=1,
    )
    again = a_pod(a_sick_one("main", POLITE.replace("sleep 2; ", "")), grace_seconds=3)
    policies = RestartPolicy.ALWAYS, RestartPolicy.ON_FAILURE
    pods = [replace(again, uid=f"{UID[:-1]}{number}", restart_policy=policy) for number, policy in enumerate(policies)]
    ended = start(never)
    restarted = [start(pod, job_id=str(number)) for number, pod in enumerate(pods, start=1)]

    for job in restarted:
        _terminate_after(job, "ContainerStarted main.1")
    ended.finish()
    ends = {line for line in ended.story() if line.startswith("ContainerTerminated")}
    codes = ("pods-grace.0 137", "probes-grace.0 5", "starts.0 137", "polite.0 5")
    assert ends == {f"ContainerTerminated {code}" for code in codes}
    assert ended.log("pods-grace") == ended.log("probes-grace") == "up\ntold\n"
    sick, not_yet = "liveness: sick", "startup: not yet"
    said = {"pods-grace": sick, "probes-grace": sick, "starts": not_yet, "polite": not_yet}
    assert complaints(ended) == said
    for job in restarted:
        job.finish()
        assert job.story()[1:6] == [
            "ContainerStarted main.0",
            "ContainerUnhealthy main.0",
            "ContainerTerminated main.0 5",
            "ContainerRestarting main.1",
            "ContainerStarted main.1",
        ]
        assert complaints(job) == {"main": sick}


def test_a_container_that_ends_by_itself_was_not_unhealthy(start: Starter) -> None:
    asks = every_second(command("touch /tmp/asked; sleep 485"), seconds=100)
    text = "until [ -e /tmp/asked ]; do sleep 0.1; done"
    container = a_container("liveness", "sh", "-c", text)
    containers = replace(container, liveness=asks), replace(container, name="startup", startup=asks)
    job = start(a_pod(*containers))

    assert job.finish() == 0
    assert complaints(job) == {}
    assert running("sleep 485") == []
