"""Which variables a container gets, and in which of two ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.containers import environment
from sidecar.runner.containers.environment import inherited, is_shell_name, of_runtime, split

TEXTS = st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize("name", ["A", "_", "_x9", "PATH", "LD_PRELOAD", "aZ"])
def test_a_shell_can_have_it(name: str) -> None:
    assert is_shell_name(name)


@pytest.mark.parametrize("name", ["", "1A", "a.b", "a-b", "a b", "é", "é1", "BASH_FUNC_x%%", "a\n", "٣"])
def test_no_shell_can_have_it(name: str) -> None:
    assert not is_shell_name(name)


@given(st.dictionaries(TEXTS, TEXTS))
def test_every_variable_arrives_and_all_but_one_on_one_way(wanted: dict[str, str]) -> None:
    gate, plain = split(wanted)

    assert gate.keys() & plain.keys() <= {"EUID"}
    assert {**gate, **plain} == wanted
    assert all(map(is_shell_name, gate))


@pytest.mark.parametrize("name", ["UID", "GID"])
def test_what_the_shell_keeps_for_itself_does_not_go_through_the_gate(name: str) -> None:
    assert split({name: "1"}) == ({}, {name: "1"})


def test_the_runtime_gets_the_jobs_environment_without_what_it_must_not_get() -> None:
    job = {b"PATH": b"/bin", b"SIDECAR_X": b"1", b"my-key": b"1", b"LD_PRELOAD": b"/lib/tsocks.so", b"\xff": b"1"}

    assert of_runtime(job, "/lib/tsocks.so") == {b"PATH": b"/bin"}
    assert of_runtime(job, "") == {b"PATH": b"/bin", b"LD_PRELOAD": b"/lib/tsocks.so"}


JOB = {b"SLURM_JOB_ID": b"7", b"MINE": b"\xff", b"PATH": b"/bin", b"HOME": b"/root", b"TMPDIR": b"/t", b"_": b"/x"}


@pytest.mark.parametrize("option", ["--cleanenv", "-e", "--containall", "-C"])
def test_a_clean_environment_takes_nothing_over(option: str) -> None:
    assert inherited(JOB, ["--nv", option]) == {}


def test_otherwise_a_container_takes_over_what_is_not_the_nodes_own() -> None:
    of_runtime = {b"APPTAINER_BIND": b"/x", b"SINGULARITY_X": b"1", b"LD_PRELOAD": b"x", b"SIDECAR_X": b"1"}

    assert inherited({**JOB, **of_runtime}, ["--nv"]) == {"SLURM_JOB_ID": "7", "MINE": "\udcff"}


@pytest.mark.parametrize("option", ["--nv", "--rocm", "--nvccli"])
def test_gpu_libraries_come_after_the_pods_own(option: str) -> None:
    without, own = {}, {"LD_LIBRARY_PATH": "/own"}  # type: dict[str, str], dict[str, str]
    for wanted in (without, own):
        environment.with_libraries(wanted, [option], image_sets_them=False)

    assert without == {"LD_LIBRARY_PATH": "/.singularity.d/libs"}
    assert own == {"LD_LIBRARY_PATH": "/own:/.singularity.d/libs"}


def test_without_gpus_or_where_the_image_sets_them_nothing_is_added() -> None:
    wanted: dict[str, str] = {}
    environment.with_libraries(wanted, [], image_sets_them=False)
    environment.with_libraries(wanted, ["--nv"], image_sets_them=True)

    assert wanted == {}
