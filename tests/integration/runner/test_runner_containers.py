"""What a container gets: environment, arguments, log, writable folders."""

from __future__ import annotations

import ipaddress

from sidecar.job_output import report
from sidecar.runner.contract.pod_document import node_fact
from tests.jobs import a_container, a_pod
from tests.running import NASTY, Starter, shell


def test_environment_and_arguments_arrive_byte_for_byte(start: Starter) -> None:
    env = {"V": NASTY, "EMPTY": "", "PATH": "/own:/bin", "PWD_X": "1", "_LOW": "é", "SHLVL": "7", "HOME": "/tmp/a b'c"}
    text = r"""printf '|'; printf '%s|' "$V" "${EMPTY-unset}" "$PATH" "$PWD_X" "$_LOW" "$HOME" "$@" """
    job = start(a_pod(a_container("main", "sh", "-c", text, "sh", args=(NASTY, "", "$(V)", "-x"), env=env)))

    assert job.finish() == 0
    expected = [NASTY, "", "/own:/bin", "1", "é", "/tmp/a b'c", NASTY, "", "$(V)", "-x"]
    # The runtime warns of a HOME that is no directory in the container.
    assert job.log().removesuffix("|").split("|")[1:] == expected


def test_without_a_command_the_image_s_own_run_script_gets_the_arguments(start: Starter) -> None:
    job = start(a_pod(a_container("main", args=("echo", NASTY))))

    assert job.finish() == 0
    assert job.log() == NASTY + "\n"


def test_nothing_of_the_node_s_environment_reaches_a_container(start: Starter) -> None:
    job = start(shell("env"))

    assert job.finish() == 0
    assert not [name for name in ("HOST_ONLY", "SLURM_", "sidecar_", "LC_ALL", "TMPDIR") if name in job.log()]


def test_a_container_s_log_holds_nothing_but_its_own_words_and_files_are_made_with_the_usual_umask(
    start: Starter,
) -> None:
    job = start(shell("umask; echo err >&2; echo out"))

    assert job.finish() == 0
    assert job.log() == "0022\nerr\nout\n"


def test_a_container_that_opens_its_own_outputs_anew_cuts_nothing_off(start: Starter) -> None:
    job = start(shell("echo one; echo two > /dev/stderr; echo three > /dev/stdout; echo four"))

    assert job.finish() == 0
    assert job.log() == "one\ntwo\nthree\nfour\n"


def test_the_last_words_are_in_the_log_before_the_end_is_reported(start: Starter) -> None:
    job = start(shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 4"))

    assert job.finish() == 4
    assert len(job.log()) == 3_000_000


def test_the_index_of_a_log_ends_with_its_size(start: Starter) -> None:
    job = start(shell("echo one; sleep 2.5; echo two"))

    assert job.finish() == 0
    lines = job.files.log_index("main", 0).read_text().splitlines()
    assert lines[0].split()[1] == "4"
    assert lines[-1].split()[1] == "8"


def test_tmp_and_home_are_writable_private_and_not_limited_to_the_runtime_s_64_megabytes(start: Starter) -> None:
    fill = "dd if=/dev/zero of=$d/big bs=1M count=80 2>/dev/null && rm $d/big || exit 1"
    job = start(shell(f"for d in /tmp /var/tmp $HOME; do {fill}; done; ls -A /tmp"))

    assert job.finish() == 0
    assert job.log() == ""


def test_the_working_directory_is_the_pod_s(start: Starter) -> None:
    job = start(a_pod(a_container("main", "pwd", working_dir="/etc")))

    assert job.finish() == 0
    assert job.log() == "/etc\n"


def test_every_name_that_kubernetes_allows_reaches_the_process(start: Starter) -> None:
    env = {"discovery.type": "single", "my-key": NASTY.replace("\n", "\r\n"), "a b": "c", "1": "one", "!@#%^&*()": "x"}
    job = start(a_pod(a_container("main", "cat", "/proc/self/environ", env=env)))

    assert job.finish() == 0
    got = dict(entry.split("=", 1) for entry in job.files.log("main", 0).read_bytes().decode().split("\0") if entry)
    assert {name: got.get(name) for name in env} == env


def test_a_container_is_told_its_node_s_name_and_addresses(start: Starter) -> None:
    node, pod, host = (node_fact(name) for name in ("nodeName", "podIP", "hostIP"))
    env = {"NODE_NAME": node, "POD_IP": pod, "HOST_IP": host, "URL": f"http://{pod}:80/"}
    text = 'echo "$NODE_NAME" "$POD_IP" "$HOST_IP" "$URL" "$@"'
    job = start(a_pod(a_container("main", "sh", "-c", text, "sh", args=(f"on {node}",), env=env)))

    assert job.finish() == 0
    name, pod_ip, host_ip, url, word, argument = job.log().split()
    [begun] = [fact for fact in job.facts if isinstance(fact, report.JobStarted)]
    assert name == argument == begun.node
    assert ipaddress.ip_address(pod_ip) == ipaddress.ip_address(host_ip)
    assert (url, word) == (f"http://{pod_ip}:80/", "on")
