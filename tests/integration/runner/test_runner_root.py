"""A container's own file system: writable or not, and what its image says about commands, directory and variables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.domain.pod import HostPathVolume, Mount, RestartPolicy
from sidecar.pod_files.site import JobSite
from tests import oci
from tests.jobs import a_container, a_pod
from tests.running import NASTY, Starter, wait_until

CONFIG = {
    "Entrypoint": ["/bin/printf", "<%s>"],
    "Cmd": ["it's", "two words"],
    "WorkingDir": "/srv/app",
    "Env": ["PATH=/bin", "KEPT=of the image", "CHANGED=of the image"],
}


@pytest.fixture(scope="module")
def registry_image(image: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image like those of a registry."""
    path = tmp_path_factory.mktemp("oci") / "image.sif"
    oci.build(path, image, CONFIG)
    return str(path)


def test_a_container_may_write_to_its_image_and_every_attempt_starts_afresh(
    start: Starter, registry_image: str, tmp_path: Path
) -> None:
    text = "ls /new; echo made >/new; mkdir /data; cat /new; [ -e /count/1 ] || { touch /count/1; exit 1; }"
    count = tmp_path / "count"
    count.mkdir()
    main = a_container("main", "sh", "-c", text, image=registry_image, mounts=(Mount(volume="count", path="/count"),))
    pod = a_pod(
        main,
        volumes=(HostPathVolume(name="count", path=str(count)),),
        restart_policy=RestartPolicy.ON_FAILURE,
    )
    job = start(pod)

    assert job.finish() == 0
    for attempt in (0, 1):
        assert job.log(attempt=attempt).splitlines() == ["ls: /new: No such file or directory", "made"]
    assert list((tmp_path / "node-tmp").iterdir()) == []


def test_what_a_run_wrote_is_gone_before_the_job_ends(start: Starter, registry_image: str, tmp_path: Path) -> None:
    text = "echo made >/new-and-unique; [ -e /count/2 ] && sleep 30; touch /count/$(ls /count | wc -l); exit 1"
    count = tmp_path / "count"
    count.mkdir()
    main = a_container("main", "sh", "-c", text, image=registry_image, mounts=(Mount(volume="count", path="/count"),))
    volume = HostPathVolume(name="count", path=str(count))
    job = start(a_pod(main, volumes=(volume,), restart_policy=RestartPolicy.ON_FAILURE, grace_seconds=0))
    wait_until((count / "1").exists)

    def written() -> list[Path]:
        return list((tmp_path / "node-tmp").glob("*/work/main.0.*/upper/new-and-unique"))

    wait_until(lambda: not written())
    job.terminate()
    job.finish()


def test_a_read_only_root_cannot_be_written_but_temporary_folders_can(start: Starter, registry_image: str) -> None:
    text = "touch /new || echo refused; echo x >/open/file || echo refused; touch /tmp/x && echo written"
    main = replace(a_container("main", "sh", "-c", text, image=registry_image), read_only_root=True)
    job = start(a_pod(main))

    assert job.finish() == 0
    assert [line for line in job.log().splitlines() if ":" not in line] == ["refused", "refused", "written"]


def test_where_a_node_cannot_do_that_the_image_is_read_only_and_the_log_says_so(start: Starter, tmp_path: Path) -> None:
    program = tmp_path / "no-overlay"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *--overlay*) echo no overlay here; exit 255 ;; esac\nexec apptainer "$@"\n'
    )
    program.chmod(0o755)
    site = JobSite(data_root=tmp_path, runtime_program=str(program))
    job = start(a_pod(a_container("main", "sh", "-c", "touch /new || echo refused")), site=site)

    assert job.finish() == 0
    lines = job.log().splitlines()
    assert lines[0] == "no overlay here"
    assert "cannot make the image writable; it is started read-only" in lines[1]
    assert lines[-1] == "refused"


def test_a_container_that_ends_with_the_runtimes_own_code_runs_once(start: Starter) -> None:
    job = start(a_pod(a_container("main", "sh", "-c", "echo once; exit 255")))

    assert job.finish() == 255
    assert job.log() == "once\n"


@pytest.mark.parametrize(
    ("command", "args", "said"),
    [
        ((), (), "<it's><two words>"),
        ((), ("a", NASTY, ""), f"<a><{NASTY}><>"),
        (("printf", "[%s]"), (), "[]"),
        (("printf", "[%s]"), ("x", NASTY), f"[x][{NASTY}]"),
    ],
)
def test_command_and_args_replace_entrypoint_and_cmd(
    start: Starter, registry_image: str, command: tuple[str, ...], args: tuple[str, ...], said: str
) -> None:
    job = start(a_pod(a_container("main", *command, args=args, image=registry_image)))

    assert job.finish() == 0
    assert job.log() == said


@pytest.mark.parametrize(("working_dir", "place"), [("", "/srv/app"), ("/open", "/open")])
def test_a_container_starts_in_its_images_directory_or_in_its_own(
    start: Starter, registry_image: str, working_dir: str, place: str
) -> None:
    job = start(a_pod(a_container("main", "pwd", working_dir=working_dir, image=registry_image)))

    assert job.finish() == 0
    assert job.log() == f"{place}\n"


def test_an_image_without_a_directory_starts_at_its_root(start: Starter, image: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.sif"
    oci.build(path, image, {"Cmd": ["pwd"], "Labels": {"note": '"WorkingDir":"/tmp"'}})
    job = start(a_pod(a_container("main", image=str(path))))

    assert job.finish() == 0
    assert job.log() == "/\n"


def test_the_images_variables_are_there_unless_the_pod_sets_them(start: Starter, registry_image: str) -> None:
    text = 'echo "$KEPT, $CHANGED"'
    job = start(a_pod(a_container("main", "sh", "-c", text, image=registry_image, env={"CHANGED": "of the pod"})))

    assert job.finish() == 0
    assert job.log() == "of the image, of the pod\n"


def test_the_largest_values_that_are_taken_arrive(start: Starter) -> None:
    env = {f"V{n}": "v" * (128 * 1024 - 1 - len("SINGULARITYENV_V0=")) for n in range(5)}
    args = ("x" * (128 * 1024 - 1),) * 2
    text = 'echo "${#V0} ${#V4} $# ${#1} ${#2}"'
    job = start(a_pod(a_container("main", "sh", "-c", text, "sh", args=args, env=env)))

    assert job.finish() == 0
    assert job.log() == "131053 131053 2 131071 131071\n"
