"""Names, values and words reach a container byte for byte, whatever shells and runtimes are on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.domain.pod import Container
from sidecar.pod_files.site import JobSite
from tests import oci
from tests.jobs import a_container, a_pod
from tests.running import NASTY, Job, Starter

ODD: Mapping[str, str] = {
    "discovery.type": "single-node",
    "my-key": "a\r\nb",
    "1digit": "\r\n",
    "a name": "with a space",
    "é": "☃",
    "BASH_FUNC_x%%": "() { echo x; }",
    "APPTAINER_X": "1",
    "APPTAINERENV_MINE": "as it is",
    "SINGULARITY_BIND": "/nowhere",
    "SIDECAR_X": "x",
    "UID": "12",
    "EUID": "13",
    "GID": "14",
    "HOME": "/tmp",
    "PATH": "/own:/bin",
    "IFS": "x",
    "LD_LIBRARY_PATH": "/own/lib",
    "LD_PRELOAD": "",
    "PWD": "/elsewhere",
    "SHLVL": "7",
    "_": "underscore",
    "BASH_ENV": "/tmp/none",
    "ENV": "/tmp/none",
    "OPTIND": "x",
    "RANDOM": "7",
    "PS4": "$(id)",
    "EMPTY": "",
    "BLANK": " \n",
    "QUOTES": "a\"b'c`id`$(id)$HOME\\",
    "LONG": "x" * 100_000,
    "NASTY": NASTY,
    "__slurm_sidecar_file": "mine",
    "__slurm_sidecar_value": "mine",
    "lower_case": "comes after those in the order of files",
    "N" * 300: "longer than a file's name may be",
}
READS_ITSELF = ("/bin/busybox", "cat", "/proc/self/environ")
"""No shell: what the kernel gave the container's first process."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, image: Path) -> Any:
    """Makes image files with a configuration as a Dockerfile gives it, each once."""
    made: dict[str, Path] = {}

    def build(**config: Any) -> Path:
        key = json.dumps(config)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("image") / "image.sif"
            oci.build(made[key], image, config)
        return made[key]

    return build


def environment_of(job: Job) -> dict[str, str]:
    assert job.finish() == 0
    pairs = job.files.log("main", 0).read_bytes().decode().split("\0")[:-1]
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.mark.parametrize("has_config", [False, True], ids=["bare_image", "registry_image"])
@pytest.mark.parametrize("options", [("--containall",), ("--no-eval", "--cleanenv"), ("--no-eval",)], ids=" ".join)
def test_every_name_and_value_arrives(
    start: Starter, built: Any, image: Path, has_config: bool, options: tuple[str, ...]
) -> None:
    file = built(Env=["PATH=/image/bin", "UID=0", "OF_IMAGE=yes"]) if has_config else image
    job = start(a_pod(a_container("main", *READS_ITSELF, env=ODD, image=str(file))), runtime_options=options)
    found = environment_of(job)

    assert {name: found.get(name) for name in ODD} == dict(ODD)
    assert (found.get("OF_IMAGE") == "yes") is has_config
    assert ("HOST_ONLY" in found) is (options == ("--no-eval",))


IMAGES_OWN = [
    "PATH=/image/bin:/bin",
    "UNFINISHED=$(id",
    "BACKTICK=a ` b",
    'QUOTED=a"q',
    "SINGLE=it's",
    "BACKSLASH=a\\nb\\",
    "EQUALS=a=b=c",
    "EMPTY=",
    "SPACES=  two  ",
    "my.name=dotted",
]


def test_the_variables_of_an_image_arrive_as_its_maker_wrote_them(start: Starter, built: Any) -> None:
    file = built(Env=IMAGES_OWN)
    found = environment_of(start(a_pod(a_container("main", *READS_ITSELF, image=str(file), env={"SPACES": "own"}))))
    expected = dict(pair.split("=", 1) for pair in IMAGES_OWN) | {"SPACES": "own"}

    assert {name: found.get(name) for name in expected} == expected


def test_an_image_that_sets_a_constant_of_the_runtime_says_nothing_in_the_log(start: Starter, built: Any) -> None:
    file = built(Env=["APPTAINER_NAME=x", "PATH=/bin"])

    assert text_of(start, a_container("main", "echo", "hello", image=str(file))) == "hello\n"


def test_an_image_without_a_command_is_named(start: Starter, built: Any) -> None:
    job = start(a_pod(a_container("main", image=str(built(Env=["PATH=/bin"])))))

    assert job.finish() == 128
    assert job.log() == "slurm-sidecar: no command specified: neither the pod nor the image has one\n"


WORDS = (NASTY, "", "$HOME", "$(id)", "`id`", "it's", '"', "\\", "a\r\nb", "-x", "--", "$(V)", " ")


def words_of(job: Job) -> list[str]:
    assert job.finish() == 0
    return job.files.log("main", 0).read_bytes().decode().split("\0")[:-1]


@pytest.mark.parametrize("entrypoint", [None, ["/bin/printf", "%s\\0"]])
def test_words_arrive_as_they_are_also_where_the_image_decides_what_runs(
    start: Starter, built: Any, entrypoint: list[str] | None
) -> None:
    container = a_container("main", *([] if entrypoint else ["/bin/printf", "%s\\0"]), args=WORDS)
    job = start(a_pod(replace(container, image=str(built(Entrypoint=entrypoint, Cmd=["unused"])))))

    assert words_of(job) == list(WORDS)


def test_words_arrive_as_they_are_in_an_image_without_configuration(start: Starter) -> None:
    assert words_of(start(a_pod(a_container("main", "printf", "%s\\0", args=WORDS)))) == list(WORDS)


def text_of(start: Starter, container: Container, **more: Any) -> str:
    job = start(a_pod(container), **more)
    assert job.finish() == 0, job.log()
    return job.log()


def test_the_program_is_process_1_and_gets_the_signal_itself(start: Starter) -> None:
    job = start(
        a_pod(a_container("main", "sh", "-c", "trap 'echo told; exit 4' TERM; echo $$; while :; do sleep 0.1; done"))
    )
    job.wait_for("1\n")
    job.terminate()

    assert job.finish() == 4
    assert job.log() == "1\ntold\n"


def test_a_working_directory_that_the_image_lacks_is_made(start: Starter) -> None:
    container = a_container("main", "sh", "-c", "pwd; touch here && echo can write", working_dir="/data/new/folder")

    assert text_of(start, container) == "/data/new/folder\ncan write\n"


def test_run_and_the_images_home_can_be_written(start: Starter, built: Any) -> None:
    text = "for d in /run /var/run $HOME; do touch $d/file && echo $d; done"
    file = built(Env=["HOME=/home/jovyan", "PATH=/bin"])
    bare = text_of(start, a_container("main", "sh", "-c", "touch /run/file && echo /run"))
    job = start(replace(a_pod(a_container("main", "sh", "-c", text, image=str(file))), uid="another"))

    assert bare == "/run\n"
    assert job.finish() in (0, 1)
    assert {"/run", "/home/jovyan"} <= set(job.log().splitlines())


def test_a_node_s_library_path_reaches_the_runtime_and_not_the_container(start: Starter, tmp_path: Path) -> None:
    program = tmp_path / "runtime"
    program.write_text(f'#!/bin/sh\necho "$LD_LIBRARY_PATH" >>{tmp_path}/seen\nexec apptainer "$@"\n')
    program.chmod(0o755)
    site = JobSite(
        data_root=tmp_path, runtime_program=str(program), command_prefix="export LD_LIBRARY_PATH=/opt/modules/lib"
    )
    found = environment_of(start(a_pod(a_container("main", *READS_ITSELF)), site=site))

    assert "/opt/modules/lib" not in str(found)
    assert set((tmp_path / "seen").read_text().splitlines()) == {"/opt/modules/lib"}
