"""Enroot's command line, and the files that a container is started with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.node.mounts import Bind
from sidecar.runner.runtimes.enroot import Enroot, StartFiles, image_name, mount_line, quoted, start_script

NASTY = "a\"b'c $HOME `id` $(id) \\ tab\t # % {} é"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("docker://docker.io/library/busybox:1.36", "docker://library/busybox:1.36"),
        ("docker://busybox", "docker://busybox"),
        ("docker://library/busybox", "docker://library/busybox"),
        ("docker://nvcr.io/nvidia/cuda:12", "docker://nvcr.io#nvidia/cuda:12"),
        ("docker://localhost:5000/a/b:c", "docker://localhost:5000#a/b:c"),
        ("docker://nvcr.io#nvidia/cuda:12", "docker://nvcr.io#nvidia/cuda:12"),
        ("docker://nvcr.io/nvidia/cuda@sha256:ab", "docker://nvcr.io/nvidia/cuda@sha256:ab"),
        ("docker://docker.io#busybox", "docker://busybox"),
        ("podman://busybox", "podman://busybox"),
    ],
)
def test_images_are_named_as_enroot_names_them(image: str, name: str) -> None:
    assert image_name(image) == name


def test_a_pull_keeps_its_layers_in_a_cache_that_goes_with_it(tmp_path: Path) -> None:
    private = f"{tmp_path}/private"
    enroot = Enroot("enroot", private)
    argv, variables = enroot.pull_call("docker://busybox", "/f", str(tmp_path / "cache"), "")
    (tmp_path / "cache" / "layers").mkdir(parents=True)
    enroot.settle(str(tmp_path / "cache"), "/f")

    assert argv == ["enroot", "import", "--output", "/f", "docker://busybox"]
    assert variables["ENROOT_CACHE_PATH"] == str(tmp_path / "cache")
    assert variables["ENROOT_DATA_PATH"] == f"{private}/data"
    assert Path(variables["ENROOT_TEMP_PATH"]).is_dir()
    assert not (tmp_path / "cache").exists()


def test_a_start_is_writable_where_the_container_is_and_binds_are_mounts(tmp_path: Path) -> None:
    files = StartFiles(f"{tmp_path}/x")
    options = ["--rw", "--bind=/a:/b", "--root"]

    def call(*, writable: bool) -> list[str]:
        return Enroot("enroot", "/e").start_call(
            "main.0", files, options=options, writable=writable, words=["sh", "-x"]
        )

    end = ["--conf", f"{tmp_path}/x.conf", "main.0", "sh", "-x"]
    assert call(writable=True) == ["enroot", "start", "--rw", "--mount", "/a:/b", "--root", *end]
    assert call(writable=False) == ["enroot", "start", "--mount", "/a:/b", "--root", *end]
    Path(files.script).touch()
    assert call(writable=False)[-6:-4] == [files.script, "--conf"]


def test_only_containers_of_attempts_before_are_removed(tmp_path: Path) -> None:
    enroot = Enroot("enroot", str(tmp_path))
    enroot.remove_containers_of("main")
    for name in ("main.0.1/etc", "main.1.1", "main-2.0.1", "other.0.1"):
        (tmp_path / "data" / name).mkdir(parents=True)
    enroot.remove_containers_of("main")

    assert {path.name for path in (tmp_path / "data").iterdir()} == {"main-2.0.1", "other.0.1"}


def test_the_configuration_shows_the_environment_and_the_mounts(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    files = StartFiles(f"{folder}/main")
    files.write(
        root=str(tmp_path / "none"),
        variables={"HOME": "/h", "V": NASTY, "Q": '"quoted" ', "S": '"'},
        binds=[Bind("/a b", "/c#d", True), Bind("/e\\f", "/g", False)],
        has_command=False,
        working_dir="",
    )
    shown = subprocess.run(
        ["bash", "-c", '. "$1"; environ; mounts', "bash", files.configuration],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert shown.splitlines() == [
        "HOME=/h",
        f"V={NASTY}",
        'Q="""quoted" ""',
        'S="',
        r"/a\040b /c\043d none x-create=auto,rbind,ro",
        r"/e\134f /g none x-create=auto,rbind,rw",
    ]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


IMAGES = 'mkdir -p "/srv" 2> /dev/null\ncd "/srv/a b" && unset OLDPWD || exit 1\n\nexec /entry "$@"\n'


def test_an_images_own_script_is_kept_where_the_pod_says_nothing() -> None:
    assert start_script(IMAGES, has_command=False, working_dir="") == ""


def test_a_command_replaces_the_images_script_but_not_its_folder() -> None:
    script = start_script(IMAGES, has_command=True, working_dir="")

    assert script.splitlines()[0] == "cd '/srv/a b' || exit 128"
    assert "entry" not in script
    assert start_script(IMAGES, has_command=True, working_dir="/w").startswith("cd '/w' ")


def test_the_images_script_runs_in_the_pods_working_directory() -> None:
    moved = start_script(IMAGES, has_command=False, working_dir="/it's")

    assert moved == IMAGES.replace('cd "/srv/a b" && unset OLDPWD || exit 1', "cd '/it'\\''s' || exit 128")


def test_an_image_without_a_script_starts_a_shell_or_the_command(tmp_path: Path) -> None:
    script = start_script("", has_command=False, working_dir=str(tmp_path))
    said = subprocess.run(["sh", "-c", script, "sh", "pwd"], capture_output=True, text=True, check=True).stdout

    assert said == f"{tmp_path}\n"


def test_a_link_in_the_image_does_not_lead_to_a_file_of_the_node(tmp_path: Path) -> None:
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "secret").write_text(IMAGES)
    (tmp_path / "root" / "etc" / "rc").symlink_to(tmp_path / "secret")
    files = StartFiles(f"{tmp_path}/main")
    files.write(root=str(tmp_path / "root"), variables={}, binds=[], has_command=False, working_dir="")

    assert Path(files.script).read_text().startswith("cd '/' ")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_shell_reads_any_text_as_one_word(text: str) -> None:
    said = subprocess.run(["sh", "-c", f"printf %s {quoted(text)}"], capture_output=True, check=True).stdout

    assert said == text.encode()


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_line_of_the_fstab_has_four_fields_whatever_the_paths_are(source: str, destination: str) -> None:
    assert len(mount_line(Bind(source, destination, False)).split(" ")) == 4
    assert not {"\t", "\n", "#"} & set(mount_line(Bind(source, destination, False)))
