"""Ways out of the node, through a real ssh server and with real shells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sidecar.runner.contract import pod_document
from sidecar.runner.node import network
from sidecar.runner.node.mounts import Bind
from tests.running import running, wait_until
from tests.ssh import LoginNode
from tests.unit.runner.documents import a_pod

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import PodDocument

LIBRARY = "/bin/sh"
"""Stands for the proxy's library, which nothing loads here."""
SLEEP = f"sleep {10**6 + os.getpid()}"
"""Of these tests alone."""


@pytest.fixture
def login_node(tmp_path: Path) -> Iterator[LoginNode]:
    node = LoginNode.start(tmp_path / "login")
    yield node
    node.stop()


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A job's folder on the node."""
    (tmp_path / "private" / "tmp").mkdir(parents=True)
    return tmp_path / "private"


def proxied(*login: str, library: str = LIBRARY, **fields: Any) -> PodDocument:
    return a_pod(site={"tsocks_library": library, "tsocks_login": list(login)}, **fields)


def run(call: str, document: PodDocument, private: Path) -> subprocess.CompletedProcess[str]:
    """Call a function of the module in a process of its own, which then ends, as in a job."""
    (private / "pod.json").write_bytes(pod_document.encode(document))
    text = (
        "import sys\n"
        "from sidecar.runner.contract import pod_document\n"
        "from sidecar.runner.node import network\n"
        "document = pod_document.decode(open(sys.argv[1] + '/pod.json', 'rb').read())\n"
        f"try:\n    {call}(document, sys.argv[1])\n"
        "except network.NoProxy as error:\n    sys.exit(str(error))\n"
    )
    with (private / "said").open("w+") as said:  # no pipe, which what goes on in the background would keep open
        code = subprocess.run([sys.executable, "-c", text, private], stdout=said, stderr=said, check=False).returncode
        said.seek(0)
        return subprocess.CompletedProcess([], code, said.read())


def test_the_proxy_listens_when_the_call_is_over_and_goes_on(login_node: LoginNode, private: Path) -> None:
    ended = run("network.open_proxy", proxied(*login_node.words), private)
    assert ended.returncode == 0, ended.stdout
    lines = (private / "tsocks.conf").read_text().splitlines()
    assert lines[:2] == ["local = 10.0.0.0/255.0.0.0", "server = 127.0.0.1"]
    port = lines[2].partition(" = ")[2]

    [ssh] = running(f"-D 127.0.0.1:{port}")
    assert network.listens(Path("/proc/net/tcp").read_text(), int(port), os.getuid())
    assert os.getsid(ssh) == os.getsid(0)
    os.kill(ssh, signal.SIGKILL)


def test_ssh_is_tried_again_where_somebody_else_took_the_port(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'#!/bin/sh\necho try >>{private}/tries\necho "bind: Address already in use" >&2\nexit 255\n'
    fake_ssh(private, monkeypatch, text)
    ended = run("network.open_proxy", proxied("login"), private)

    assert ended.stdout == "no tunnel to the login node login: bind: Address already in use\n"
    assert (private / "tries").read_text().count("try") == 10


def fake_ssh(private: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (private / "bin").mkdir()
    (private / "bin" / "ssh").write_text(text)
    (private / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{private}/bin:{os.environ['PATH']}")


def test_a_login_node_that_does_not_let_us_in_is_named_with_its_reason(login_node: LoginNode, private: Path) -> None:
    (login_node.folder / "user.pub").write_text("")
    ended = run("network.open_proxy", proxied(*login_node.words), private)

    assert ended.returncode == 1
    assert ended.stdout.startswith("no tunnel to the login node 127.0.0.1: ")
    assert "Permission denied (publickey" in ended.stdout


def test_an_ssh_that_says_nothing_is_told_as_such(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ssh(private, monkeypatch, "#!/bin/sh\nexit 255\n")

    assert run("network.open_proxy", proxied("login"), private).stdout.endswith(": ssh did not say why\n")


def test_a_node_without_ssh_is_told_as_such(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(private))

    assert run("network.open_proxy", proxied("login"), private).stdout.endswith("ssh: No such file or directory\n")


def test_a_node_without_the_library_is_named(private: Path) -> None:
    ended = run("network.open_proxy", proxied("login", library="/no/lib.so"), private)

    assert ended.stdout.startswith("no tunnel to the login node login: there is no library /no/lib.so on node ")


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2710 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 71423 1 ...
   1: 0100007F:2711 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 71424 1 ...
"""


def test_only_listening_sockets_of_the_user_count() -> None:
    assert network.listens(TABLE, 10000)
    assert network.listens(TABLE, 10000, 1000)
    assert not network.listens(TABLE, 10000, 1001)
    assert not network.listens(TABLE, 10001)


def test_tunnel_commands_run_in_the_jobs_folder_and_leave_a_tunnel(private: Path) -> None:
    document = a_pod(tunnel_commands=f"echo in $PWD; read line || echo nothing to read; {SLEEP} &")
    ended = run("network.run_tunnels", document, private)
    [tunnel] = running(SLEEP)
    os.kill(tunnel, signal.SIGKILL)

    assert (ended.returncode, ended.stdout) == (0, f"in {private}/tmp\nnothing to read\n")
    assert (private / "tunnels.sh").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["exit 3", "if then", "no-such-program"])
def test_tunnel_commands_that_fail_are_told_and_nothing_else(private: Path, text: str) -> None:
    ended = run("network.run_tunnels", a_pod(tunnel_commands=text), private)

    assert ended.returncode == 0
    assert ended.stdout.endswith("slurm-sidecar: the pod's tunnel commands failed; the containers start without\n")


def test_tunnel_commands_in_the_foreground_do_not_keep_the_pod(private: Path) -> None:
    program = "network._SECONDS_FOR_TUNNELS = 0.2; network.run_tunnels"
    ended = run(program, a_pod(tunnel_commands=f"exec {SLEEP}"), private)
    wait_until(lambda: bool(running(SLEEP)))
    for pid in running(SLEEP):
        os.kill(pid, signal.SIGKILL)

    assert ended.stdout.endswith("commands stay in the foreground; the containers start beside them\n")


ALONE = {"SLURM_JOB_NUM_NODES": "1"}
TWO_NODES = {"SLURM_JOB_NUM_NODES": "2"}


def test_a_container_knows_the_pods_address_and_the_proxy(private: Path) -> None:
    document = proxied("login", pod_ip="10.1.2.3")

    assert network.variables_of(document, ALONE) == {
        "POD_IP": "10.1.2.3",
        "LD_PRELOAD": LIBRARY,
        "TSOCKS_CONF_FILE": "/etc/tsocks.conf",
    }
    assert network.binds_of(document, str(private), {}) == [
        Bind(os.path.realpath(LIBRARY), LIBRARY, True),
        Bind(f"{private}/tsocks.conf", "/etc/tsocks.conf", True),
    ]


@pytest.mark.parametrize(
    ("document", "environment"),
    [(a_pod(), ALONE), (proxied("login", in_mesh=True), ALONE), (proxied("login", mpi=[]), TWO_NODES)],
    ids=["no proxy", "in a mesh", "ranks on two nodes"],
)
def test_a_container_that_cannot_reach_a_proxy_knows_of_none(
    document: PodDocument, environment: dict[str, str], private: Path
) -> None:
    assert network.variables_of(document, environment) == {}
    assert network.binds_of(document, str(private), environment) == []
    assert network.variables_of(proxied("login", mpi=[]), ALONE) != {}
