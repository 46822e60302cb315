"""Environment, command and arguments as bash reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.domain.pod import Container, FilesVolume, VolumeFile
from sidecar.errors import UnsupportedPod
from sidecar.job.contents import container_text, pod_files
from tests.jobs import a_container, a_plan, a_pod

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in {"HOME", "APPEND_PATH", "PREPEND_PATH"}
)
TEXTS = st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40)
READ_BACK = r"""
set +o posix
sidecar_env() { printf '%s\0%s\0' "$1" "$2"; }
. "$1"
printf '%s\0' "${#sidecar_command[@]}" "${sidecar_command[@]}" "${sidecar_arguments[@]}" "${sidecar_home-none}"
"""


def read_back(text: bytes, tmp_path: Path, locale: str) -> list[str]:
    path = tmp_path / "container.sh"
    path.write_bytes(text)
    done = subprocess.run(
        ["bash", "-c", READ_BACK, "bash", str(path)], capture_output=True, check=True, env={"LC_ALL": locale}
    )
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_any_environment_and_arguments_survive_bash(tmp_path_factory: pytest.TempPathFactory, locale: str) -> None:
    tmp_path = tmp_path_factory.mktemp("bash")

    @settings(max_examples=60, deadline=None)
    @given(st.dictionaries(NAMES, TEXTS, max_size=4), st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
    def check(env: dict[str, str], command: list[str], args: list[str]) -> None:
        container = a_container("main", *command, args=tuple(args), env=env)
        variables = [text for item in env.items() for text in item]
        expected = [*variables, str(len(command)), *command, *args, "none"]
        if not command and not args:
            return  # bash prints one empty string for no argument at all
        assert read_back(container_text(container), tmp_path, locale) == expected

    check()


def test_home_is_handed_to_the_runtime_and_the_last_of_two_values_counts(tmp_path: Path) -> None:
    container = a_container("main", "true", env={"HOME": "/a b'c"})

    assert read_back(container_text(container), tmp_path, "C")[-1] == "/a b'c"


@pytest.mark.parametrize("name", ["a.b", "a-b", "1a", "", "é", "a=b", "a\n", "PREPEND_PATH"])
def test_a_name_that_cannot_be_passed_on_is_refused_without_its_value(name: str) -> None:
    with pytest.raises(UnsupportedPod) as failure:
        container_text(a_container("main", "true", env={name: "s3cr3t"}))

    assert str(failure.value).startswith(f"container main: environment variable {name}")
    assert "s3cr3t" not in str(failure.value)


@pytest.mark.parametrize("home", ["", "relative", "/a:/b"])
def test_a_home_that_the_runtime_would_not_take_is_refused(home: str) -> None:
    with pytest.raises(UnsupportedPod, match="environment variable HOME"):
        container_text(a_container("main", "true", env={"HOME": home}))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_process_can_be_given_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedPod, match="environment variable A holds"):
        container_text(a_container("main", "true", env={"A": text}))
    with pytest.raises(UnsupportedPod, match="container main: args holds"):
        container_text(a_container("main", args=(text,)))


LONGEST_VALUE = 128 * 1024 - 1 - len("SINGULARITYENV_A=")
LONGEST_WORD = 128 * 1024 - 1


def test_what_a_process_can_be_given_is_taken_to_the_last_byte() -> None:
    container = a_container(
        "main", "x" * LONGEST_WORD, args=("é" * (LONGEST_WORD // 2),), env={"A": "v" * LONGEST_VALUE}
    )

    assert b"v" * LONGEST_VALUE in container_text(container)


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
        container_text(container)

    assert len(str(failure.value)) < 300


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", ".", "a\0b"])
def test_a_volume_s_file_stays_inside_its_volume(path: str) -> None:
    pod = a_pod(volumes=(FilesVolume(name="v", files=(VolumeFile(path=path, content=b""),)),))

    with pytest.raises(UnsupportedPod, match=r"volume v: .* is not a path inside the volume"):
        pod_files(pod, a_plan(pod))


def test_no_secret_is_shown_by_repr() -> None:
    pod = a_pod(
        a_container("main", "true", env={"A": "s3cr3t"}),
        volumes=(FilesVolume(name="v", files=(VolumeFile(path="f", content=b"s3cr3t"),)),),
    )

    assert "s3cr3t" not in repr(pod_files(pod, a_plan(pod)))
