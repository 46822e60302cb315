"""The files of a container's gate: nothing of a pod is text of a script."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.containers.gate import Gate

VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)


def made(root: Path, *, replaces_image: bool = True, waits: bool = True, **kinds: dict[str, str]) -> tuple[Gate, Path]:
    gate = Gate(str(root / "gate"), replaces_image=replaces_image)
    gate.make(
        kinds.get("values", {}), kinds.get("defaults", {}), runs_image=not replaces_image, waits=waits, words="/dev/w"
    )
    return gate, root / "gate"


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_each_variable_is_a_file_and_the_script_the_same_for_all_pods(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], defaults: dict[str, str]
) -> None:
    _, folder = made(tmp_path_factory.mktemp("any"), values=values, defaults=defaults)
    _, empty = made(tmp_path_factory.mktemp("none"))

    for kind, expected in (("values", values), ("defaults", defaults)):
        found = {file.read_bytes().decode() for file in (folder / kind).iterdir()}
        assert found == {f"{name}={value}." for name, value in expected.items()}
    script = "10-slurm-sidecar.sh"
    assert (folder / script).read_text() == (empty / script).read_text()


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    _, folder = made(tmp_path, values={"A": "\udcff"})

    assert (folder / "values/0").read_bytes() == b"A=\xff."


def test_only_the_owner_can_look_into_it(tmp_path: Path) -> None:
    _, folder = made(tmp_path, values={"A": "1"})

    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")]} == {0}


def test_a_gate_that_waits_has_two_pipes_that_open_without_a_container(tmp_path: Path) -> None:
    gate, folder = made(tmp_path)
    arrived, opened = gate.listen()
    os.write(opened, b"\n")

    assert stat.S_ISFIFO((folder / "arrived").stat().st_mode)
    assert os.read(opened, 10) == b"\n"
    with pytest.raises(BlockingIOError):
        os.read(arrived, 10)
    for end in (arrived, opened):
        os.close(end)


def test_a_gate_that_does_not_wait_has_none(tmp_path: Path) -> None:
    _, folder = made(tmp_path, waits=False)

    assert not (folder / "arrived").exists()
    assert "arrived" not in (folder / "10-slurm-sidecar.sh").read_text()


def test_it_stands_in_place_of_the_images_scripts_or_after_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    replacing, _ = made(tmp_path / "a", replaces_image=True)
    adding, _ = made(tmp_path / "b", replaces_image=False)

    assert [place for _, place, _ in replacing.binds()] == ["/.singularity.d/env"]
    assert [place for _, place, _ in adding.binds()] == [
        "/.singularity.d/slurm-sidecar",
        "/.singularity.d/env/zz-slurm-sidecar.sh",
    ]
