"""The document of a pod's job: every field of the domain arrives, and what no process can be given is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.health import Action, ExecAction, GrpcAction, HttpAction, Probe, SleepAction, TcpAction
from sidecar.domain.logins import Login
from sidecar.domain.names import Names
from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import (
    ClaimVolume,
    Container,
    ContainerRole,
    EmptyDirVolume,
    FilesVolume,
    HostPathVolume,
    JobOptions,
    Mount,
    Pod,
    PullPolicy,
    Resources,
    RestartPolicy,
    Volume,
)
from sidecar.errors import UnsupportedPod
from sidecar.pod_files.document import pod_document_of
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import pod_document
from tests.jobs import a_container, a_plan, a_pod

SITE = JobSite(data_root=Path("/data"))
IMAGE = "docker://registry.example/image:1"
PROBE = Probe(action=ExecAction(command=("is", "well")))
LOGIN = Login(host="registry.example", fields=(("auth", "dTpw"),))
MOUNT = Mount(volume="v", path="/v")
VOLUME = EmptyDirVolume(name="v")


def document_of(pod: Pod, site: JobSite = SITE, plan: JobPlan | None = None) -> Any:
    """As the supervisor reads it."""
    return pod_document.decode(pod_document.encode(pod_document_of(pod, plan or a_plan(pod), site)))


def container_of(container: Container, *volumes: Volume, **pod: Any) -> Any:
    (document,) = document_of(a_pod(container, volumes=volumes, **pod))["containers"]
    return document


OTHERS: dict[type, dict[str, Any]] = {
    Pod: {
        "uid": "another",
        "namespace": "another",
        "name": "another",
        "containers": (a_container("other"),),
        "volumes": (VOLUME, EmptyDirVolume(name="other")),
        "names": Names(hostname="h"),
        "restart_policy": RestartPolicy.ALWAYS,
        "grace_seconds": 7,
        "deadline_seconds": 9,
        "job_script": "#!/bin/sh\n",
        "options": JobOptions(pod_ip="10.0.0.1"),
        "logins": (LOGIN,),
    },
    Container: {
        "name": "other",
        "role": ContainerRole.SIDECAR,
        "image": "docker://registry.example/other:2",
        "command": ("other",),
        "args": ("other",),
        "env": (("A", "1"),),
        "working_dir": "/other",
        "mounts": (MOUNT,),
        "requests": Resources(devices=(("nvidia.com/gpu", 1),)),
        "pull_policy": PullPolicy.ALWAYS,
        "startup": PROBE,
        "liveness": PROBE,
        "readiness": PROBE,
        "post_start": SleepAction(seconds=1),
        "pre_stop": SleepAction(seconds=1),
        "stop_signal": "USR1",
        "termination_message_path": "/other",
        "termination_message_from_log": True,
        "read_only_root": True,
    },
    Mount: {"volume": "w", "path": "/other", "read_only": True, "sub_path": "sub"},
    Probe: {
        "action": TcpAction(port=1),
        "initial_delay_seconds": 11,
        "period_seconds": 12,
        "timeout_seconds": 13,
        "success_threshold": 14,
        "failure_threshold": 15,
        "grace_seconds": 16,
    },
    ExecAction: {"command": ("other",)},
    HttpAction: {"scheme": "https", "host": "other", "port": 2, "path": "/other", "headers": (("X-A", "1"),)},
    TcpAction: {"host": "other", "port": 2},
    GrpcAction: {"port": 2, "service": "other", "tls": True},
    SleepAction: {"seconds": 2},
    Names: {
        "hostname": "other",
        "fqdn": "other.svc",
        "aliases": (("10.0.0.2", "db"),),
        "resolver_is_own": True,
        "nameservers": ("10.0.0.3",),
        "searches": ("svc",),
        "resolver_options": ("ndots:2",),
    },
    JobOptions: {
        "pre_exec": "cat <<EOF > $TMPDIR/mesh.sh",
        "mpi_flags": ("-x",),
        "runtime_commands": "time",
        "runtime_mounts": ("--bind", "/a"),
        "pod_ip": "10.0.0.1",
        "tunnel_commands": "tunnel &",
    },
    HostPathVolume: {"path": "/other", "type": "Directory"},
    ClaimVolume: {"path": "/other", "read_only": True},
    EmptyDirVolume: {"in_memory": True},
    JobSite: {
        "data_root": Path("/other"),
        "most_restarts": 3,
        "shared_fs": False,
        "bash_path": "/other/bash",
        "log_max_bytes": 100,
        "log_max_files": 5,
        "command_prefix": "module load x",
        "runtime": "enroot",
        "runtime_program": "other",
        "runtime_prefix": "nice",
        "tsocks_library": "/lib/tsocks.so",
        "tsocks_login": ("login",),
        "allowed_host_paths": ("/a",),
        "protected_paths": ("/b",),
    },
}
"""Another value for each field that jobs shall know."""
ELSEWHERE: dict[type, set[str]] = {
    # Options of sbatch, or read when the plan is made.
    Pod: {"requests", "limits", "overhead", "run_as_user", "run_as_group", "notes"},
    JobOptions: {"flags", "flavor", "image_root", "runtime_options"},
    # A text for the admin; the mounts are read-only altogether.
    Mount: {"recursively_read_only"},
    HostPathVolume: {"name"},
    ClaimVolume: {"name"},
    EmptyDirVolume: {"name", "size_limit_bytes"},
    # In the batch script, and the daemon's own.
    JobSite: {"runner_python", "registry_auth_file"},
}


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
def test_every_field_either_arrives_or_is_known_not_to(kind: type) -> None:
    assert {field.name for field in dataclasses.fields(kind)} == {*OTHERS[kind], *ELSEWHERE.get(kind, ())}


def with_container(container: Container) -> Pod:
    return a_pod(container, volumes=(VOLUME, EmptyDirVolume(name="w")))


def with_volume(volume: Volume) -> Pod:
    return a_pod(a_container(mounts=(MOUNT,)), volumes=(volume,))


def with_hook(action: Action) -> Pod:
    return with_container(replace(a_container(), pre_stop=action))


PLAIN = a_container(image=IMAGE)
WAYS: dict[type, tuple[Any, Callable[[Any], Pod]]] = {
    Pod: (with_container(PLAIN), lambda pod: pod),
    Container: (PLAIN, with_container),
    Mount: (MOUNT, lambda mount: with_container(replace(PLAIN, mounts=(mount,)))),
    Probe: (PROBE, lambda probe: with_container(replace(PLAIN, liveness=probe))),
    ExecAction: (ExecAction(command=("a",)), with_hook),
    HttpAction: (HttpAction(scheme="http", port=1), with_hook),
    TcpAction: (TcpAction(port=1), with_hook),
    GrpcAction: (GrpcAction(port=1), with_hook),
    SleepAction: (SleepAction(seconds=1), with_hook),
    Names: (Names(), lambda names: replace(a_pod(), names=names)),
    JobOptions: (JobOptions(), lambda options: a_pod(options=options)),
    HostPathVolume: (HostPathVolume(name="v", path="/p"), with_volume),
    ClaimVolume: (ClaimVolume(name="v", path="/p"), with_volume),
    EmptyDirVolume: (EmptyDirVolume(name="v"), with_volume),
}
"""Something to change, and the pod that has it."""


def with_another(kind: type, field: str) -> tuple[Any, Any]:
    """The document of a pod before and after one field has another value."""
    new = {field: OTHERS[kind][field]}
    if kind is JobSite:
        return document_of(a_pod()), document_of(a_pod(), replace(SITE, **new))
    old, way = WAYS[kind]
    return document_of(way(old)), document_of(way(replace(old, **new)))


@pytest.mark.parametrize(
    ("kind", "field"),
    [pytest.param(kind, field, id=f"{kind.__name__}.{field}") for kind, fields in OTHERS.items() for field in fields],
)
def test_a_field_with_another_value_gives_another_document(kind: type, field: str) -> None:
    before, after = with_another(kind, field)

    assert before != after


def test_a_container_with_everything_is_described_in_full() -> None:
    container = replace(
        a_container("main", "sh", args=("-c", "☃"), env={"my-key": "a\r\nb", "EMPTY": ""}, working_dir="/w"),
        image=IMAGE,
        mounts=(Mount(volume="v", path="/v", sub_path="s"),),
        requests=Resources(devices=(("nvidia.com/gpu", 2),)),
        liveness=replace(PROBE, grace_seconds=4),
        post_start=HttpAction(scheme="http", port=80, path="a b?c=ü", headers=(("Host", "x"),)),
        pre_stop=SleepAction(seconds=3),
        stop_signal="USR1",
    )
    pod = replace(a_pod(container, volumes=(FilesVolume(name="v", files=()),)), logins=(LOGIN,))
    (document,) = document_of(pod)["containers"]
    keys = document.pop("image_keys")

    assert len(keys) == 2
    assert document == {
        "name": "main",
        "role": "main",
        "image": IMAGE,
        "image_namespace": "lab",
        "login": '{"auths": {"registry.example": {"auth": "dTpw"}}}',
        "pull_policy": "IfNotPresent",
        "command": ["sh"],
        "args": ["-c", "☃"],
        "env": [["my-key", "a\r\nb"], ["EMPTY", ""]],
        "working_dir": "/w",
        "runtime_options": ["--no-eval", "--containall"],
        "writable": True,
        "stop_signal": "USR1",
        "message_path": "/dev/termination-log",
        "message_from_log": False,
        "mounts": [{"volume": "v", "path": "/v", "read_only": True, "sub_path": "s"}],
        "startup": None,
        "liveness": {
            "action": {"kind": "exec", "command": ["is", "well"]},
            "initial_delay_seconds": 0,
            "period_seconds": 10,
            "timeout_seconds": 1,
            "success_threshold": 1,
            "failure_threshold": 3,
            "grace_seconds": 4,
        },
        "readiness": None,
        "post_start": {
            "kind": "http",
            "scheme": "http",
            "host": "",
            "port": 80,
            "path": "/a%20b?c=%C3%BC",
            "headers": [["Host", "x"]],
        },
        "pre_stop": {"kind": "sleep", "seconds": 3},
        "gpus": {"first": 0, "count": 2, "out_of": 2},
    }


@pytest.mark.parametrize(
    ("action", "kind"),
    [(ExecAction(command=("a",)), "exec"), (TcpAction(port=1), "tcp"), (GrpcAction(port=1), "grpc")],
)
def test_each_probe_says_its_kind(action: Action, kind: str) -> None:
    found = container_of(replace(a_container(), readiness=Probe(action=action)))

    assert found["readiness"]["action"]["kind"] == kind


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (FilesVolume(name="v", files=()), ("files", "", "")),
        (EmptyDirVolume(name="v"), ("disk", "", "")),
        (EmptyDirVolume(name="v", in_memory=True), ("memory", "", "")),
        (ClaimVolume(name="v", path="/claims/a"), ("claim", "/claims/a", "")),
        (HostPathVolume(name="v", path="/p", type="Socket"), ("host", "/p", "Socket")),
    ],
)
def test_each_volume_says_its_kind(volume: Volume, expected: tuple[str, str, str]) -> None:
    (found,) = document_of(a_pod(volumes=(volume,)))["volumes"]

    assert (found["kind"], found["path"], found["type"]) == expected


@pytest.mark.parametrize(
    ("volume", "read_only", "expected"),
    [
        (FilesVolume(name="v", files=()), False, True),
        (ClaimVolume(name="v", path="/c", read_only=True), False, True),
        (ClaimVolume(name="v", path="/c"), False, False),
        (EmptyDirVolume(name="v"), True, True),
        (EmptyDirVolume(name="v"), False, False),
    ],
)
def test_a_mount_is_read_only_where_it_or_its_volume_is(volume: Volume, read_only: bool, expected: bool) -> None:
    found = container_of(a_container(mounts=(replace(MOUNT, read_only=read_only),)), volume)

    assert found["mounts"][0]["read_only"] is expected


@pytest.mark.parametrize(
    ("names", "resolver"),
    [(Names(), "none"), (Names(searches=("a",)), "more"), (Names(resolver_is_own=True, searches=("a",)), "own")],
)
def test_the_resolver_is_the_nodes_its_own_or_both(names: Names, resolver: str) -> None:
    assert document_of(replace(a_pod(), names=names))["names"]["resolver"] == resolver


def test_under_mpi_the_nodes_keep_their_own_hostnames() -> None:
    pod = replace(a_pod(options=JobOptions(mpi_flags=())), names=Names(hostname="h", fqdn="h.svc"))

    assert document_of(pod)["names"]["hostname"] == ""
    assert document_of(pod)["mpi"] == []


TEXTS = st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
NAMES = TEXTS.filter(lambda name: name not in ("", "APPTAINER_NAME") and "=" not in name)


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=4), st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
def test_any_environment_and_any_words_arrive(env: list[tuple[str, str]], command: list[str], args: list[str]) -> None:
    found = container_of(replace(a_container("main", *command, args=tuple(args)), env=tuple(env)))

    assert found["env"] == [list(pair) for pair in env]
    assert (found["command"], found["args"]) == (command, args)


RUNTIME_CONSTANTS = ("APPTAINER_NAME", "APPTAINER_CONTAINER", "APPTAINER_INSTANCE")


@pytest.mark.parametrize("name", ["", "a=b", *RUNTIME_CONSTANTS, "a\0b", "\ud800"])
def test_a_variable_that_no_process_can_have_is_refused_without_its_value(name: str) -> None:
    with pytest.raises(UnsupportedPod) as failure:
        document_of(a_pod(a_container("main", "true", env={name: "s3cr3t"})))

    shown = name.encode(errors="backslashreplace").decode()
    assert str(failure.value).startswith(f"container main: environment variable {shown}")
    assert "s3cr3t" not in str(failure.value)


def test_names_of_apptainers_own_mean_nothing_to_enroot() -> None:
    pod = a_pod(a_container("main", "true", env={"APPTAINER_NAME": "mine"}))
    site = JobSite(data_root=Path("/data"), runtime="enroot")

    assert pod_document_of(pod, a_plan(pod), site)["containers"][0]["env"] == [["APPTAINER_NAME", "mine"]]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\0nodeName", "\0secret\0"])
def test_text_that_no_process_can_be_given_is_refused(text: str) -> None:
    for container, where in (
        (a_container("main", "true", env={"A": text}), "container main: environment variable A"),
        (a_container("main", text), "container main: command"),
        (a_container(args=(text,)), "container main: args"),
    ):
        with pytest.raises(UnsupportedPod, match=f"^{where} holds"):
            document_of(a_pod(container))


@pytest.mark.parametrize(
    ("pod", "where"),
    [
        (replace(a_pod(), job_script="#!/bin/sh\necho \0"), "jobScript"),
        (a_pod(options=JobOptions(tunnel_commands="echo \ud800")), "tunnel commands"),
    ],
)
def test_a_script_that_no_file_can_hold_is_refused(pod: Pod, where: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"^{where} holds"):
        document_of(pod)


def test_what_only_the_node_knows_may_stand_in_any_text() -> None:
    text = f"at {pod_document.node_fact('nodeName')}"
    found = container_of(a_container("main", text, env={"A": text}))

    assert found["env"] == [["A", text]]
    assert pod_document.with_node_facts(text, {"nodeName": "n1"}) == "at n1"


LONGEST_VALUE = 128 * 1024 - 1 - len("SINGULARITYENV_A=")
LONGEST_WORD = 128 * 1024 - 1


def test_what_a_process_can_be_given_is_taken_to_the_last_byte() -> None:
    words = ("é" * (LONGEST_WORD // 2),)
    found = container_of(a_container("main", "x" * LONGEST_WORD, args=words, env={"A": "v" * LONGEST_VALUE}))

    assert found["env"] == [["A", "v" * LONGEST_VALUE]]


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (a_container(env={"A": "v" * (LONGEST_VALUE + 1)}), "environment variable A has 131055 bytes"),
        (a_container("main", "v" * (LONGEST_WORD + 1)), "a word of command has 131072 bytes"),
        (a_container(args=("é" * (LONGEST_WORD // 2 + 1),)), "a word of args has 131072 bytes"),
        (a_container(env={f"A{n}": "v" * 100_000 for n in range(10)}), "together, more than the 1000000"),
        (a_container(args=("<" * 100_000, "v" * 100_000) * 2), "together, more than the 1000000"),
    ],
)
def test_more_is_refused_by_name_without_its_text(container: Container, words: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"^container main: .*{words}") as failure:
        document_of(a_pod(container))

    assert len(str(failure.value)) < 300
