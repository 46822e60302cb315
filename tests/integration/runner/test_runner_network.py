"""Ways out of the node: the proxy through a real ssh server with the real library, and the tunnels of interLink."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.domain.pod import HostPathVolume, JobOptions, Mount, Pod
from sidecar.pod_files.site import JobSite
from tests.jobs import a_container, a_pod
from tests.running import STAYS, Starter, running, shell, wait_until
from tests.ssh import LoginNode, proxy_library

OF_THE_NODE = ("/lib", "/lib64", "/usr")
"""Lends its programs to the container: those of busybox are static and load no library."""


@pytest.fixture
def login_node(tmp_path: Path) -> Iterator[LoginNode]:
    node = LoginNode.start(tmp_path / "login")
    yield node
    node.stop()


def proxied(node: LoginNode) -> JobSite:
    return JobSite(data_root=Path(), tsocks_library=str(proxy_library()), tsocks_login=node.words)


def dynamic(text: str, **env: str) -> Pod:
    mounts = tuple(Mount(volume=path[1:], path=path, read_only=True) for path in OF_THE_NODE)
    volumes = tuple(HostPathVolume(name=path[1:], path=path) for path in OF_THE_NODE)
    return a_pod(a_container("main", "/usr/bin/bash", "-c", text, mounts=mounts, env=env), volumes=volumes)


def test_a_container_s_connections_go_through_the_login_node(start: Starter, login_node: LoginNode) -> None:
    job = start(
        dynamic("cat $TSOCKS_CONF_FILE; echo $LD_PRELOAD; exec 3<>/dev/tcp/203.0.113.9/80"), site=proxied(login_node)
    )

    assert job.finish() == 1
    conf = job.log().splitlines()
    assert conf[:2] == ["local = 10.0.0.0/255.0.0.0", "server = 127.0.0.1"]
    assert conf[3] == str(proxy_library())
    assert "connect to host 203.0.113.9 port 80, but the request was denied" in login_node.log


def test_the_tunnel_lives_as_long_as_the_job(start: Starter, login_node: LoginNode) -> None:
    job = start(shell(STAYS), site=proxied(login_node))
    job.wait_for("up")
    tunnel = "-D 127.0.0.1:"
    assert any(str(login_node.port) in line for line in commands(tunnel))
    job.terminate()

    assert job.finish() == 143
    assert not any(str(login_node.port) in line for line in commands(tunnel))


def commands(words: str) -> list[str]:
    lines = []
    for pid in running(words):
        path = Path(f"/proc/{pid}/cmdline")
        lines.append(path.read_bytes().replace(b"\0", b" ").decode() if path.exists() else "")
    return lines


def test_the_user_s_shell_text_goes_through_the_proxy_too_but_not_the_runtime(
    start: Starter, login_node: LoginNode
) -> None:
    options = JobOptions(
        pre_exec='echo "$LD_PRELOAD"; cat "$TSOCKS_CONF_FILE"',
        runtime_commands='echo "$LD_PRELOAD" "$TSOCKS_CONF_FILE";',
    )
    job = start(shell("true", options=options), site=proxied(login_node))

    assert job.finish() == 0
    assert job.output.startswith(f"{proxy_library()}\nlocal = 10.0.0.0/255.0.0.0\n")
    assert not job.output.count(str(proxy_library())) > 1


def test_a_pod_with_a_library_of_its_own_does_without_the_proxy(start: Starter, login_node: LoginNode) -> None:
    job = start(dynamic("echo $LD_PRELOAD", LD_PRELOAD="/lib64/ld-linux-x86-64.so.2"), site=proxied(login_node))

    assert job.finish() == 0
    assert job.log() == "/lib64/ld-linux-x86-64.so.2\n"


def test_a_login_node_that_does_not_let_us_in_ends_the_job_with_its_reason(
    start: Starter, login_node: LoginNode
) -> None:
    (login_node.folder / "user.pub").write_text("")
    job = start(shell("echo main"), site=proxied(login_node))

    assert job.finish() == 128
    [line] = job.output.splitlines()
    assert line.startswith("slurm-sidecar: no tunnel to the login node 127.0.0.1: ")
    assert "Permission denied (publickey" in line
    assert job.story() == ["JobFinished 128"]


def test_a_library_that_the_node_does_not_have_ends_the_job(start: Starter, login_node: LoginNode) -> None:
    site = JobSite(data_root=Path(), tsocks_library="/no/lib.so", tsocks_login=login_node.words)
    job = start(shell("echo main"), site=site)

    assert job.finish() == 128
    assert "there is no library /no/lib.so on node" in job.output


TUNNEL = "echo started in $PWD with $POD_IP; sleep 7654 &"


def test_a_tunnel_starts_before_the_containers_and_ends_with_the_job(start: Starter, tmp_path: Path) -> None:
    options = JobOptions(tunnel_commands=TUNNEL, pod_ip="10.1.2.3", pre_exec="echo pre-exec")
    job = start(shell(STAYS, options=options))
    job.wait_for("up")
    assert len(running("sleep 7654")) == 1
    job.terminate()

    assert job.finish() == 143
    first, second = job.output.splitlines()
    assert first.startswith(f"started in {tmp_path / 'node-tmp'}/")
    assert first.endswith("/tmp with 10.1.2.3")
    assert second == "pre-exec"
    assert not running("sleep 7654")


@pytest.mark.parametrize("text", ["exit 3", "if then", "no-such-program"])
def test_a_tunnel_that_fails_keeps_no_container_from_starting(start: Starter, text: str) -> None:
    job = start(shell("echo main", options=JobOptions(tunnel_commands=text)))

    assert job.finish() == 0
    assert job.log() == "main\n"
    assert "slurm-sidecar: the pod's tunnel commands failed; the containers start without" in job.output


def test_a_job_told_to_stop_while_its_tunnel_starts_ends(start: Starter) -> None:
    job = start(shell("echo main", options=JobOptions(tunnel_commands="touch here; sleep 7655")))
    wait_until(lambda: bool(running("sleep 7655")))
    job.terminate()

    assert job.process.wait(timeout=60) == 143
    for pid in running("sleep 7655"):  # Slurm ends whatever a job leaves
        os.kill(pid, signal.SIGKILL)
    job.finish()
    assert job.story() == ["JobStopping", "JobFinished 143"]
