"""What of a pod reaches its document, and what is refused because no process can be given it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.pod import Container, FilesVolume, VolumeFile
from sidecar.errors import UnsupportedPod
from sidecar.pod_files.contents import pod_files
from sidecar.pod_files.document import pod_document_of
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import pod_document
from sidecar.runner.contract.pod_document import node_fact
from tests.jobs import a_container, a_plan, a_pod

SITE = JobSite(data_root=Path("/data"))
NAMES = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="="), min_size=1)
TEXTS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


def document_of(container: Container, site: JobSite = SITE) -> pod_document.ContainerDocument:
    """The container as a job reads it back."""
    pod = a_pod(container)
    document = pod_document.decode(pod_document.encode(pod_document_of(pod, a_plan(pod), site)))
    return document["containers"][0]


@given(st.dictionaries(NAMES, TEXTS, max_size=4), st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
def test_every_name_value_and_word_reaches_the_job(env: dict[str, str], command: list[str], args: list[str]) -> None:
    document = document_of(a_container("main", *command, args=tuple(args), env=env))

    assert [tuple(pair) for pair in document["env"]] == list(env.items())
    assert (document["command"], document["args"]) == (command, args)


@pytest.mark.parametrize("name", ["", "a=b", "a\0", "APPTAINER_NAME", "APPTAINER_CONTAINER", "APPTAINER_INSTANCE"])
def test_a_name_that_cannot_be_passed_on_is_refused_without_its_value(name: str) -> None:
    with pytest.raises(UnsupportedPod) as failure:
        document_of(a_container("main", "true", env={name: "s3cr3t"}))

    assert str(failure.value).startswith(f"container main: environment variable {name}")
    assert "s3cr3t" not in str(failure.value)


def test_names_of_apptainers_own_mean_nothing_to_enroot() -> None:
    container = a_container("main", "true", env={"APPTAINER_NAME": "mine"})

    assert document_of(container, JobSite(data_root=Path("/data"), runtime="enroot"))["env"] == [
        ["APPTAINER_NAME", "mine"]
    ]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\0nodeName", "\0other\0"])
def test_text_that_no_process_can_be_given_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedPod, match="environment variable A holds"):
        document_of(a_container("main", "true", env={"A": text}))
    with pytest.raises(UnsupportedPod, match="container main: args holds"):
        document_of(a_container("main", args=(text,)))


def test_what_stands_for_something_of_the_node_reaches_the_job() -> None:
    url = f"http://{node_fact('podIP')}:80"

    assert document_of(a_container("main", url, env={"URL": url}))["env"] == [["URL", url]]


def test_the_document_and_the_volumes_files_are_there_with_their_modes() -> None:
    files = (VolumeFile(path="deep/tool", content=b"#!", mode=0o4755), VolumeFile(path="key", content=b"k", mode=0o400))
    pod = a_pod(volumes=(FilesVolume(name="conf", files=files),))
    document, *others = pod_files(pod, a_plan(pod), SITE)

    assert (str(document.path), document.mode) == ("pod.json", 0o600)
    assert [(str(file.path), file.content, file.mode) for file in others] == [
        ("volumes/conf/deep/tool", b"#!", 0o755),
        ("volumes/conf/key", b"k", 0o400),
    ]


LONGEST_VALUE = 128 * 1024 - 1 - len("SINGULARITYENV_A=")
LONGEST_WORD = 128 * 1024 - 1


def test_what_a_process_can_be_given_is_taken_to_the_last_byte() -> None:
    container = a_container(
        "main", "x" * LONGEST_WORD, args=("é" * (LONGEST_WORD // 2),), env={"A": "v" * LONGEST_VALUE}
    )

    assert document_of(container)["env"] == [["A", "v" * LONGEST_VALUE]]


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
        document_of(container)

    assert len(str(failure.value)) < 300


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", ".", "a\0b"])
def test_a_volume_s_file_stays_inside_its_volume(path: str) -> None:
    pod = a_pod(volumes=(FilesVolume(name="v", files=(VolumeFile(path=path, content=b""),)),))

    with pytest.raises(UnsupportedPod, match=r"volume v: .* is not a path inside the volume"):
        pod_files(pod, a_plan(pod), SITE)


def test_no_secret_is_shown_by_repr() -> None:
    pod = a_pod(
        a_container("main", "true", env={"A": "s3cr3t"}),
        volumes=(FilesVolume(name="v", files=(VolumeFile(path="f", content=b"s3cr3t"),)),),
    )

    assert "s3cr3t" not in repr(pod_files(pod, a_plan(pod), SITE))
