"""Jobs that end before a container has begun: the message and the log say why."""

from __future__ import annotations

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_pod
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet


def a_prepared_pod(name: str, text: str) -> Json:
    return a_pod(name, script="echo never", annotations={"slurm-job.vk.io/pre-exec": text})


def ended(vk: VirtualKubelet, name: str) -> Json:
    state: Json = vk.container(name)["state"]["terminated"]
    return state


@pytest.mark.parametrize("code", [5, 255])
def test_a_pre_exec_that_fails_says_so_in_message_and_log(vk: VirtualKubelet, code: int) -> None:
    """sacct of Slurm 22.05 prints 255 as 127."""
    name = f"pre-exec-{code}"
    vk.create_pod(a_prepared_pod(name, f"echo dataset missing >&2; exit {code}"))
    vk.wait_for(name, "Failed")

    end = ended(vk, name)
    assert end["exitCode"] == code
    assert f"exit code {code} before its containers started" in end["message"]
    assert "pre-exec" in end["message"]
    assert "dataset missing" in end["message"]
    assert "dataset missing" in vk.logs(name)


def test_a_pre_exec_that_ends_the_job_well_has_not_run_the_pod(vk: VirtualKubelet) -> None:
    vk.create_pod(a_prepared_pod("pre-exec-leaves", "echo nothing to do; exit 0"))
    vk.wait_for("pre-exec-leaves", "Failed")

    assert ended(vk, "pre-exec-leaves")["exitCode"] == 1
    assert "nothing to do" in ended(vk, "pre-exec-leaves")["message"]


@pytest.mark.parametrize(
    "own_daemon",
    [{"CommandPrefix": "module load apptainer", "SingularityPath": "apptainer-of-a-module"}],
    indirect=True,
)
def test_a_runtime_that_the_prefix_did_not_load_is_told_with_the_cause(own_vk: VirtualKubelet) -> None:
    own_vk.create_pod(a_pod("no-module", script="echo never"))
    own_vk.wait_for("no-module", "Failed")

    end = ended(own_vk, "no-module")
    assert end["exitCode"] == 128
    assert "apptainer-of-a-module" in end["message"]
    assert "module: command not found" in end["message"]
    assert "module: command not found" in own_vk.logs("no-module")


@pytest.mark.parametrize("own_daemon", [{"CommandPrefix": "set -e; module load apptainer"}], indirect=True)
def test_a_prefix_that_ends_the_job_is_told_with_its_words(own_daemon: Daemon, own_vk: VirtualKubelet) -> None:
    uid = own_vk.create_pod(a_pod("strict", script="echo never"))["metadata"]["uid"]
    own_vk.wait_for("strict", "Failed")

    assert ended(own_vk, "strict")["exitCode"] == 127
    assert "CommandPrefix" in ended(own_vk, "strict")["message"]
    assert "module: command not found" in ended(own_vk, "strict")["message"]
    assert "module: command not found" in own_daemon.cli("history", uid)
