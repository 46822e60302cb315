"""Containers under Enroot: the real one where it is on PATH, else ``tests/enroot-stand-in``, which is a fake."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.domain.pod import ContainerRole, EmptyDirVolume, FilesVolume, Mount, Pod, RestartPolicy, VolumeFile
from sidecar.pod_files import directory
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.site import JobSite
from tests.jobs import a_container, a_plan, a_pod
from tests.running import NASTY, Job, shell, start_script, wait_until

PROGRAM = shutil.which("enroot") or str(Path(__file__).parents[2] / "enroot-stand-in")


@pytest.fixture(scope="module")
def squashed(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The busybox image as Enroot wants it: the file system inside of the SIF."""
    listed = subprocess.run(["apptainer", "sif", "list", str(image)], capture_output=True, text=True, check=True).stdout
    [number] = [line.split("|")[0].strip() for line in listed.splitlines() if "Squashfs" in line]
    path = tmp_path_factory.mktemp("images") / "busybox.sqsh"
    with path.open("wb") as file:
        subprocess.run(["apptainer", "sif", "dump", number, str(image)], stdout=file, check=True)
    return path


Run = Callable[..., Job]


@pytest.fixture
def run(tmp_path: Path, squashed: Path) -> Iterator[Run]:
    """Start a pod's script, whose image is the squashed one, with these options for Enroot."""
    jobs: list[Job] = []

    def run(pod: Pod, *options: str, image: Path = squashed) -> Job:
        root = tmp_path / "data"
        root.mkdir()
        plan = a_plan(pod)
        containers = tuple(
            replace(c, image=str(image), runtime_options=("--rw", *options), is_writable=True) for c in plan.containers
        )
        site = JobSite(data_root=root, runtime="enroot", runtime_program=PROGRAM)
        directory.write(pod, replace(plan, containers=containers), root=root, token="token", site=site)
        files = PodDirectory.of(root, namespace=pod.namespace, uid=pod.uid)
        jobs.append(Job(files, start_script(files.script, tmp_path, "123")))
        return jobs[-1]

    yield run
    for job in jobs:
        with job.process:
            if job.process.poll() is None:
                os.killpg(job.process.pid, signal.SIGKILL)


ONE_LINE = NASTY.replace("\n", " ")
VALUES = [
    "",
    "plain",
    '"quoted"',
    "'single'",
    '""twice""',
    "'mixed\"",
    '"one',
    "$HOME `id`",
    "# not a comment",
    ONE_LINE,
]


def test_every_value_of_one_line_and_every_argument_arrives_as_it_is(run: Run) -> None:
    env = {f"V{n}": value for n, value in enumerate(VALUES)}
    script = "".join(f'printf "%s\\n" "${name}"; ' for name in env) + 'printf "%s\\0" "$@"'
    job = run(a_pod(a_container("main", "sh", "-c", script, "sh", NASTY, "", "-x", env=env)))

    assert job.finish() == 0, job.log()
    values, arguments = job.log()[: -len(NASTY) - 5], job.log()[-len(NASTY) - 5 :]
    assert values.split("\n")[:-1] == VALUES
    assert arguments == f"{NASTY}\0\0-x\0"


def test_volumes_are_shared_and_files_read_only(run: Run) -> None:
    mounts = (Mount(volume="conf", path="/etc/app conf"), Mount(volume="work", path="/deep/er/work"))
    script = 'cat "/etc/app conf/key"; echo x >"/etc/app conf/key"; echo from $NAME >>/deep/er/work/file'
    pod = a_pod(
        replace(
            a_container("first", "sh", "-c", script, mounts=mounts, env={"NAME": "first"}), role=ContainerRole.INIT
        ),
        a_container("main", "cat", "/deep/er/work/file", mounts=mounts[1:]),
        volumes=(
            FilesVolume(name="conf", files=(VolumeFile(path="key", content=b"value\n"),)),
            EmptyDirVolume(name="work"),
        ),
    )
    job = run(pod)

    assert job.finish() == 0, job.output + job.log("first")
    assert job.log("first").startswith("value\n")
    assert "Read-only" in job.log("first")
    assert job.log() == "from first\n"


def test_each_attempt_has_a_root_of_its_own_and_nothing_stays(run: Run, tmp_path: Path) -> None:
    script = "ls /left /tmp/left; touch /left /tmp/left; [ -e /work/second ] && exit 7; touch /work/second; exit 1"
    pod = a_pod(
        a_container("main", "sh", "-c", script, mounts=(Mount(volume="work", path="/work"),)),
        volumes=(EmptyDirVolume(name="work"),),
        restart_policy=RestartPolicy.ON_FAILURE,
    )
    job = run(pod)
    wait_until(lambda: "ContainerRestarting main.2" in job.story_so_far())
    job.terminate()
    job.finish()

    assert job.log(attempt=1).count("No such file") == 2
    assert "ContainerTerminated main.1 7" in job.story()
    assert list((tmp_path / "node-tmp").iterdir()) == []


@pytest.mark.parametrize("trap", ["trap 'echo told; exit 3' TERM; ", ""])
def test_a_job_told_to_stop_tells_its_container(run: Run, trap: str) -> None:
    job = run(shell(trap + "echo up; while :; do sleep 0.1; done"))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == (3 if trap else 143)
    assert ("told" in job.log()) == bool(trap)


def test_a_working_directory_home_and_the_pod_s_own_mounts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "file").write_text("lent\n")
    container = a_container(
        "main", "sh", "-c", "pwd; echo $HOME; cat /lent/file", working_dir="/usr/bin", env={"HOME": "/h"}
    )
    job = run(a_pod(container), f"--bind={tmp_path / 'lent'}:/lent")

    assert job.finish() == 0, job.log()
    assert job.log() == "/usr/bin\n/h\nlent\n"


def test_an_image_that_is_none_is_told_with_enroot_s_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.sqsh").write_text("no image")
    job = run(shell("echo main"), image=tmp_path / "text.sqsh")

    assert job.finish() == 128
    assert job.log()
    assert "main" not in job.log()
