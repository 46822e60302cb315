"""Containers under a fake of Enroot that notes how it was called: what it does itself is not tested here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sidecar.runner.job import Job
from sidecar.runner.node.mounts import Bind
from sidecar.runner.runtimes.apptainer_launcher import Recipe
from sidecar.runner.runtimes.enroot_launcher import EnrootLauncher
from sidecar.runner.system.event_loop import Loop
from tests.unit.runner.documents import a_container, a_pod

FAKE = """#!/bin/bash
verb=$1
echo "$verb ${@:2}" >>@NOTES@
if [[ $verb == create ]]; then
    [[ $4 != bad ]] || { echo "[ERROR] Invalid image format: bad"; exit 1; }
    mkdir -p "$ENROOT_DATA_PATH/$3/etc"
    exit
fi
while [[ $1 != --conf ]]; do shift; done
. "$2"
environ; mounts; umask; shift 3; echo "$*"; exit 7
"""


def launch(tmp_path: Path, image: str = "good", commands: str = "", **fields: Any) -> tuple[int, list[str], list[str]]:
    """Start a container; return its code, what it said, and how Enroot was called."""
    program = tmp_path / "program"
    program.write_text(FAKE.replace("@NOTES@", str(tmp_path / "notes")))
    program.chmod(0o755)
    (tmp_path / "notes").touch()
    container = a_container(command=["sh", "-c"], args=["text"], **fields)
    document = a_pod(container, site={"runtime_program": str(program)}, runtime_commands=commands)
    environment = {**os.environb, b"HOME": b"/home/u", b"TSOCKS": b""}
    job = Job(
        Loop(),
        document,
        directory=str(tmp_path),
        files_root=str(tmp_path),
        private=str(tmp_path),
        environment=environment,
    )
    (tmp_path / "work").mkdir()
    recipe = Recipe(
        container,
        image=image,
        config=None,
        words=["sh", "-c", "text"],
        variables={"V": "one"},
        defaults={},
        binds=[Bind("/a", "/b", True)],
        working_dir="",
        hostname="",
    )
    said = tmp_path / "said"
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT, 0o600)
    started = EnrootLauncher(job, recipe, str(tmp_path / "work" / "main.0")).start(descriptor)
    os.close(descriptor)

    async def code() -> int:
        return int(await started.child.exited)

    ended = job.loop.run(code())
    return ended, said.read_text().splitlines(), (tmp_path / "notes").read_text().splitlines()


def test_an_image_is_unpacked_and_started_with_the_pods_variables_and_volumes(tmp_path: Path) -> None:
    code, said, calls = launch(tmp_path, message_path="/last/words")
    work = tmp_path / "work"

    assert code == 7
    assert calls == [
        "create --name main.0.1 good",
        f"start --rc {work}/main.0.1.work/enroot.rc --conf {work}/main.0.1.work/enroot.conf main.0.1 sh -c text",
    ]
    assert said == [
        "HOME=/home/u",
        "V=one",
        f"{work}/main.0.1.work/tmp /tmp none x-create=auto,rbind,rw",
        "/a /b none x-create=auto,rbind,ro",
        f"{work}/main.0.message /last/words none x-create=auto,rbind,rw",
        "0022",
        "sh -c text",
    ]
    assert (work / "main.0.1.work/tmp").stat().st_mode & 0o7777 == 0o1777


def test_an_image_that_is_none_is_told_with_enroots_words(tmp_path: Path) -> None:
    code, said, calls = launch(tmp_path, image="bad")

    assert (code, said) == (128, ["[ERROR] Invalid image format: bad"])
    assert len(calls) == 1


def test_the_pods_shell_text_stands_before_the_start_alone(tmp_path: Path) -> None:
    _, said, calls = launch(tmp_path, commands=f"echo before >>{tmp_path}/notes;")

    assert [call.split()[0] for call in calls] == ["create", "before", "start"]
    assert said[-1] == "sh -c text"
