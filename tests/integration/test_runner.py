"""The rendered script, run by a real bash with real containers, without Slurm."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sidecar.domain.pod import (
    EmptyDirVolume,
    FilesVolume,
    HostPathVolume,
    JobOptions,
    Mount,
    Pod,
    PullPolicy,
    RestartPolicy,
    VolumeFile,
)
from sidecar.job import directory, report
from sidecar.job.paths import PodDirectory
from sidecar.job.site import JobSite
from tests.jobs import a_container, a_plan, a_pod, an_init_container, with_image

NASTY = "a\"b'c $HOME `id` $(id) \\ \\n \n\n tab\t é ☃ %s {} ! \x01 \x7f end\n"
Starter = Callable[..., "Job"]


@dataclass
class Job:
    """A job's script as a process, in a session of its own like Slurm's."""

    files: PodDirectory
    process: subprocess.Popen[str]
    output: str = ""
    facts: tuple[report.Fact, ...] = field(default=())

    def finish(self, timeout: float = 60) -> int:
        self.output, _ = self.process.communicate(timeout=timeout)
        self.facts = report.read(self.files, 0).facts
        return self.process.returncode

    def log(self, container: str = "main", attempt: int = 0) -> str:
        return self.files.log(container, attempt).read_text()

    def wait_for(self, text: str, container: str = "main", attempt: int = 0) -> None:
        log = self.files.log(container, attempt)
        wait_until(lambda: log.exists() and text in log.read_text())

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def story(self) -> list[str]:
        """What was reported: the fact, its container, attempt and code."""
        return [" ".join(_words(fact)) for fact in self.facts]


def _words(fact: report.Fact) -> Iterator[str]:
    yield type(fact).__name__
    if isinstance(fact, report.ContainerFact):
        yield f"{fact.container}.{fact.attempt}"
    if isinstance(fact, report.ContainerTerminated | report.JobFinished):
        yield str(fact.code)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def running(words: str) -> list[int]:
    """Processes whose command line holds these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line:
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="session")
def image() -> Path:
    """A busybox image whose run script runs its arguments; ``scripts/test`` builds it."""
    return Path(os.environ["SIDECAR_TEST_IMAGE"])


@pytest.fixture
def start(tmp_path: Path, image: Path) -> Iterator[Starter]:
    """Write a pod's directory and start its script."""
    jobs: list[Job] = []

    def start(pod: Pod, *, site: JobSite | None = None, job_id: str = "123", again: bool = False) -> Job:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        pod = with_image(pod, image)
        site = replace(site or JobSite(data_root=root), data_root=root)
        files = PodDirectory.of(root, namespace=pod.namespace, uid=pod.uid)
        if not again:
            directory.write(pod, a_plan(pod), root=root, token="token", site=site)
        jobs.append(Job(files, _start_script(files.script, tmp_path, job_id)))
        return jobs[-1]

    yield start
    for job in jobs:
        with job.process:
            if job.process.poll() is None:
                os.killpg(job.process.pid, signal.SIGKILL)


def _start_script(script: Path, tmp_path: Path, job_id: str) -> subprocess.Popen[str]:
    quick = script.with_name("quick.slurm")
    if not quick.exists():
        quick.write_text(script.read_text().replace("sidecar_backoff_first=10", "sidecar_backoff_first=1"))
    node_tmp = tmp_path / "node-tmp"
    node_tmp.mkdir(exist_ok=True)
    bin_folder = tmp_path / "bin"
    environ = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "USER": os.environ.get("USER", "nobody"),
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(node_tmp),
        "SLURM_JOB_ID": job_id,
        "SLURM_NTASKS": "2",
        "HOST_ONLY": "leaks",
    }
    return subprocess.Popen(
        ["bash", str(quick)],
        env=environ,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def shell(
    text: str,
    *,
    restart_policy: RestartPolicy = RestartPolicy.NEVER,
    grace_seconds: int = 30,
    options: JobOptions | None = None,
) -> Pod:
    """A pod whose only container runs this text."""
    return a_pod(
        a_container("main", "sh", "-c", text),
        restart_policy=restart_policy,
        grace_seconds=grace_seconds,
        options=options,
    )


# ---- Order and codes.


def test_init_containers_run_first_and_the_first_failing_main_container_gives_the_code(start: Starter) -> None:
    shared = (Mount(volume="shared", path="/shared"),)
    job = start(
        a_pod(
            an_init_container("one", "sh", "-c", "echo 1 > /shared/one", mounts=shared),
            an_init_container("two", "sh", "-c", "cat /shared/one > /shared/two", mounts=shared),
            a_container("good", "cat", "/shared/two", mounts=shared),
            a_container("bad", "sh", "-c", "exit 3"),
            a_container("worse", "sh", "-c", "exit 4"),
            volumes=(EmptyDirVolume(name="shared"),),
        )
    )

    assert job.finish() == 3
    assert job.log("good") == "1\n"
    assert job.story()[:5] == [
        "JobStarted",
        "ContainerStarted one.0",
        "ContainerTerminated one.0 0",
        "ContainerStarted two.0",
        "ContainerTerminated two.0 0",
    ]
    assert {"ContainerTerminated bad.0 3", "ContainerTerminated worse.0 4"} < set(job.story())
    assert job.story()[-1] == "JobFinished 3"


def test_a_failed_init_container_ends_the_pod(start: Starter) -> None:
    job = start(a_pod(an_init_container("one", "sh", "-c", "exit 9"), a_container("main", "true")))

    assert job.finish() == 9
    assert job.story() == ["JobStarted", "ContainerStarted one.0", "ContainerTerminated one.0 9", "JobFinished 9"]


def test_main_containers_run_side_by_side(start: Starter) -> None:
    pipe = (Mount(volume="v", path="/v"),)
    job = start(
        a_pod(
            a_container("reader", "sh", "-c", "until [ -p /v/p ]; do sleep 0.1; done; cat /v/p", mounts=pipe),
            a_container("writer", "sh", "-c", "mkfifo /v/p; echo met > /v/p", mounts=pipe),
            volumes=(EmptyDirVolume(name="v", in_memory=True),),
        )
    )

    assert job.finish() == 0
    assert job.log("reader") == "met\n"


def test_a_command_that_does_not_exist_has_the_runtime_s_code(start: Starter) -> None:
    job = start(a_pod(a_container("main", "no-such-program")))

    assert job.finish() == 255
    assert "no-such-program" in job.log()


def test_restart_on_failure_until_it_succeeds_with_a_log_for_each_attempt(start: Starter) -> None:
    text = "echo run; n=$(wc -l < /v/n || echo 0); echo x >> /v/n; [ $n -ge 2 ]"
    job = start(
        a_pod(
            a_container("main", "sh", "-c", text, mounts=(Mount(volume="v", path="/v"),)),
            volumes=(EmptyDirVolume(name="v"),),
            restart_policy=RestartPolicy.ON_FAILURE,
        )
    )

    assert job.finish() == 0
    assert job.story()[1:-1] == [
        "ContainerStarted main.0",
        "ContainerTerminated main.0 1",
        "ContainerRestarting main.1",
        "ContainerStarted main.1",
        "ContainerTerminated main.1 1",
        "ContainerRestarting main.2",
        "ContainerStarted main.2",
        "ContainerTerminated main.2 0",
    ]
    assert [f.delay for f in job.facts if isinstance(f, report.ContainerRestarting)] == [1, 2]
    assert "run" in job.log(attempt=2)


def test_always_restarts_mains_but_not_an_init_container_that_succeeded(start: Starter) -> None:
    job = start(
        a_pod(
            an_init_container("init", "true"),
            a_container("main", "echo", "hello"),
            restart_policy=RestartPolicy.ALWAYS,
        )
    )
    job.wait_for("hello", attempt=1)
    job.terminate()

    assert job.finish() == 0
    assert job.story().count("ContainerStarted init.0") == 1
    assert "ContainerStarted init.1" not in job.story()


# ---- What a container gets.


def test_environment_and_arguments_arrive_byte_for_byte(start: Starter) -> None:
    env = {"V": NASTY, "EMPTY": "", "PATH": "/own:/bin", "PWD_X": "1", "_LOW": "é", "SHLVL": "7", "HOME": "/tmp/a b'c"}
    text = r"""printf '|'; printf '%s|' "$V" "${EMPTY-unset}" "$PATH" "$PWD_X" "$_LOW" "$HOME" "$@" """
    job = start(a_pod(a_container("main", "sh", "-c", text, "sh", args=(NASTY, "", "$(V)", "-x"), env=env)))

    assert job.finish() == 0
    expected = [NASTY, "", "/own:/bin", "1", "é", "/tmp/a b'c", NASTY, "", "$(V)", "-x"]
    # The runtime warns of a HOME that is no directory in the container.
    assert job.log().removesuffix("|").split("|")[1:] == expected


def test_without_a_command_the_image_s_own_run_script_gets_the_arguments(start: Starter) -> None:
    job = start(a_pod(a_container("main", args=("echo", NASTY))))

    assert job.finish() == 0
    assert job.log() == NASTY + "\n"


def test_nothing_of_the_node_s_environment_reaches_a_container(start: Starter) -> None:
    job = start(shell("env"))

    assert job.finish() == 0
    assert not [name for name in ("HOST_ONLY", "SLURM_", "sidecar_", "LC_ALL", "TMPDIR") if name in job.log()]


def test_a_container_s_log_holds_nothing_but_its_own_words_and_files_are_made_with_the_usual_umask(
    start: Starter,
) -> None:
    job = start(shell("umask; echo err >&2; echo out"))

    assert job.finish() == 0
    assert job.log() == "0022\nerr\nout\n"


def test_the_index_of_a_log_ends_with_its_size(start: Starter) -> None:
    job = start(shell("echo one; sleep 2.5; echo two"))

    assert job.finish() == 0
    lines = job.files.log_index("main", 0).read_text().splitlines()
    assert lines[0].split()[1] == "4"
    assert lines[-1].split()[1] == "8"


def test_tmp_and_home_are_writable_private_and_not_limited_to_the_runtime_s_64_megabytes(start: Starter) -> None:
    fill = "dd if=/dev/zero of=$d/big bs=1M count=80 2>/dev/null && rm $d/big || exit 1"
    job = start(shell(f"for d in /tmp /var/tmp $HOME; do {fill}; done; ls -A /tmp"))

    assert job.finish() == 0
    assert job.log() == ""


def test_the_working_directory_is_the_pod_s(start: Starter) -> None:
    job = start(a_pod(a_container("main", "pwd", working_dir="/etc")))

    assert job.finish() == 0
    assert job.log() == "/etc\n"


# ---- Volumes.

FILES = FilesVolume(
    name="conf",
    files=(
        VolumeFile(path="key", content=b"value\n", mode=0o440),
        VolumeFile(path="deep/bin", content=b"\x00\xff", mode=0o755),
        VolumeFile(path="..data", content=b"dots\n"),
    ),
)


@pytest.mark.parametrize("shared_fs", [True, False])
def test_files_volumes_show_exactly_their_files_read_only(start: Starter, tmp_path: Path, shared_fs: bool) -> None:
    text = "cd /c; find . -type f | sort | xargs stat -c '%n %a'; cat key; touch key || echo refused"
    pod = a_pod(a_container("main", "sh", "-c", text, mounts=(Mount(volume="conf", path="/c"),)), volumes=(FILES,))
    job = start(pod, site=JobSite(data_root=tmp_path, shared_fs=shared_fs))

    assert job.finish() == 0
    assert job.log().startswith("./..data 644\n./deep/bin 755\n./key 440\nvalue\n")
    assert job.log().endswith("refused\n")
    assert job.files.container_script("main").exists() is shared_fs


def test_sub_paths_files_over_files_and_volumes_inside_volumes(start: Starter) -> None:
    mounts = (
        Mount(volume="conf", path="/etc/passwd", sub_path="key"),
        Mount(volume="conf", path='/new/a, b:c"d/file', sub_path="deep/bin"),
        Mount(volume="work", path="/w/inner/deep"),
        Mount(volume="outer", path="/w"),
        Mount(volume="work", path="/made", sub_path="x/y"),
    )
    text = (
        "cat /etc/passwd; wc -c < '/new/a, b:c\"d/file'; touch /w/o /w/inner/deep/i /made/m; ls /w; find /w/inner/deep"
    )
    volumes = (FILES, EmptyDirVolume(name="work"), EmptyDirVolume(name="outer"))
    job = start(a_pod(a_container("main", "sh", "-c", text, mounts=mounts), volumes=volumes))

    assert job.finish() == 0
    assert job.log().splitlines()[:4] == ["value", "2", "inner", "o"]
    assert {"/w/inner/deep/i", "/w/inner/deep/x/y/m"} <= set(job.log().splitlines())


def test_a_sub_path_cannot_leave_its_volume_through_a_link(start: Starter) -> None:
    volume = EmptyDirVolume(name="v")
    job = start(
        a_pod(
            an_init_container("init", "ln", "-s", "/etc", "/v/out", mounts=(Mount(volume="v", path="/v"),)),
            a_container("main", "ls", "/m", mounts=(Mount(volume="v", path="/m", sub_path="out/ssl"),)),
            volumes=(volume,),
        )
    )

    assert job.finish() == 128
    assert "leads out of its volume" in job.log()
    assert "ContainerStarted main.0" not in job.story()


def test_memory_volumes_are_gone_when_the_job_is(start: Starter) -> None:
    before = set(Path("/dev/shm").glob("slurm-sidecar.*"))
    pod = a_pod(
        a_container(
            "main",
            "sh",
            "-c",
            "mkdir /m/d; touch /m/d/x; chmod 0 /m/d; df /m | grep -c tmpfs",
            mounts=(Mount(volume="m", path="/m"),),
        ),
        volumes=(EmptyDirVolume(name="m", in_memory=True),),
    )
    job = start(pod)

    assert job.finish() == 0
    assert job.log() == "1\n"
    assert set(Path("/dev/shm").glob("slurm-sidecar.*")) <= before


def host_pod(path: Path, kind: str, text: str = "ls -d /h") -> Pod:
    return a_pod(
        a_container("main", "sh", "-c", text, mounts=(Mount(volume="h", path="/h"),)),
        volumes=(HostPathVolume(name="h", path=str(path), type=kind),),
    )


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        ("", "folder", 0),
        ("", "absent", 128),
        ("Directory", "folder", 0),
        ("Directory", "file", 128),
        ("File", "file", 0),
        ("File", "folder", 128),
        ("Socket", "file", 128),
        ("CharDevice", "/dev/null", 0),
        ("BlockDevice", "/dev/null", 128),
        ("DirectoryOrCreate", "made/deep", 0),
        ("DirectoryOrCreate", "file", 128),
        ("FileOrCreate", "made-file", 0),
    ],
)
def test_host_paths_must_be_what_their_type_says(
    start: Starter, tmp_path: Path, kind: str, name: str, code: int
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    job = start(host_pod(tmp_path / name, kind))

    assert job.finish() == code
    assert (str(tmp_path / name) in job.log()) is (code == 128)
    modes = {tmp_path / "made/deep": 0o755, tmp_path / "made": 0o755, tmp_path / "made-file": 0o644}
    assert all(path.stat().st_mode & 0o777 == mode for path, mode in modes.items() if path.exists())


def test_the_site_s_rules_for_host_paths_hold_behind_links(start: Starter, tmp_path: Path) -> None:
    for name in ("open", "closed", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "open" / "way-out").symlink_to(tmp_path / "closed")
    (tmp_path / "open" / "secret").symlink_to(tmp_path / "secret")
    site = JobSite(
        data_root=tmp_path,
        allowed_host_paths=(str(tmp_path / "open"), str(tmp_path / "secret")),
        protected_paths=(str(tmp_path / "secret"),),
    )
    codes = {}
    for name in ("open", "closed", "open/way-out", "open/secret", "secret", "open/../closed"):
        job = start(host_pod(tmp_path / name, ""), site=site)
        codes[name] = job.finish()
        directory.remove(job.files)

    assert [name for name, code in codes.items() if code == 0] == ["open"]
    assert set(codes.values()) == {0, 128}


# ---- Images.


def test_a_missing_image_file_is_told_from_a_failed_command(start: Starter) -> None:
    job = start(a_pod(a_container("main", "true", image="/no/such/image.sif")))

    assert job.finish() == 128
    assert job.story()[1:-1] == ["ImageFailed main.0", "ContainerTerminated main.0 128"]
    [failure] = [f for f in job.facts if isinstance(f, report.ImageFailed)]
    assert "no image file /no/such/image.sif" in failure.message


class Registry:
    """Serves the image over http and counts how often it was fetched."""

    def __init__(self, image: Path) -> None:
        self.fetched: list[str] = []
        outer = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                outer.fetched.append(f"{self.command} {self.path}")

        handler = partial(Handler, directory=str(image.parent))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{image.name}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def registry(image: Path) -> Iterator[Registry]:
    registry = Registry(image)
    yield registry
    registry.server.shutdown()
    registry.server.server_close()


def run_pulling(start: Starter, url: str, policy: PullPolicy, *names: str) -> Job:
    containers = [a_container(name, "echo", "here", image=url, pull_policy=policy) for name in names]
    job = start(a_pod(*containers))
    job.finish()
    return job


def test_an_image_is_fetched_once_for_all_containers_and_jobs(start: Starter, registry: Registry) -> None:
    job = run_pulling(start, registry.url, PullPolicy.IF_NOT_PRESENT, "a", "b")
    logs = [job.log("a"), job.log("b")]
    directory.remove(job.files)
    again = run_pulling(start, registry.url, PullPolicy.NEVER, "a")

    assert "ImagePulling a.0" in job.story()
    assert [*logs, again.log("a")] == ["here\n"] * 3
    assert [call.split()[0] for call in registry.fetched].count("GET") == 1
    assert "ImagePulling a.0" not in again.story()


def test_always_fetches_again(start: Starter, registry: Registry) -> None:
    directory.remove(run_pulling(start, registry.url, PullPolicy.ALWAYS, "a").files)
    once = len(registry.fetched)
    run_pulling(start, registry.url, PullPolicy.ALWAYS, "a")

    assert len(registry.fetched) > once


@pytest.mark.parametrize("policy", list(PullPolicy))
def test_an_image_that_cannot_be_had_says_why(start: Starter, registry: Registry, policy: PullPolicy) -> None:
    job = run_pulling(start, registry.url + ".absent", policy, "a")

    assert job.process.returncode == 128
    assert job.story()[-3:] == ["ImageFailed a.0", "ContainerTerminated a.0 128", "JobFinished 128"]
    [failure] = [f for f in job.facts if isinstance(f, report.ImageFailed)]
    assert ("imagePullPolicy is Never" if policy is PullPolicy.NEVER else "not found") in failure.message
    assert not list((job.files.root.parent / ".images").glob("*part*"))


def test_a_failed_pull_is_tried_again_under_a_restart_policy(start: Starter, tmp_path: Path, image: Path) -> None:
    missing = tmp_path / "late.sif"
    pod = a_pod(a_container("main", "echo", "here", image=str(missing)), restart_policy=RestartPolicy.ON_FAILURE)
    job = start(pod)
    wait_until(lambda: job.files.pull_log("main").exists())
    missing.symlink_to(image)

    assert job.finish() == 0
    assert job.story()[1:4] == ["ImageFailed main.0", "ContainerTerminated main.0 128", "ContainerRestarting main.1"]
    assert job.log(attempt=1) == "here\n"


# ---- Stopping.


def test_a_container_that_is_told_to_stop_may_end_by_itself_and_is_told_once(start: Starter) -> None:
    job = start(
        shell(
            'trap "echo told; n=1\\$n" TERM; echo up; i=0; while [ $i -lt 15 ]; do sleep 0.1; i=$((i+1)); done; exit 5'
        )
    )
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 5
    assert job.log() == "up\ntold\n"
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 5", "JobFinished 5"]


def test_a_time_limit_tells_every_process_and_the_codes_are_still_the_containers_own(start: Starter) -> None:
    job = start(
        a_pod(
            a_container("ends", "sh", "-c", 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done'),
            a_container("stays", "sh", "-c", 'trap "" TERM; echo up; sleep 475'),
            grace_seconds=1,
        )
    )
    job.wait_for("up", "ends")
    job.wait_for("up", "stays")
    os.killpg(job.process.pid, signal.SIGTERM)

    assert job.finish() == 5
    assert {"ContainerTerminated ends.0 5", "ContainerTerminated stays.0 137"} < set(job.story())
    assert job.story()[-1] == "JobFinished 5"


@pytest.mark.parametrize("grace_seconds", [0, 1])
def test_what_ignores_it_is_killed_after_the_grace_period(start: Starter, grace_seconds: int) -> None:
    job = start(shell('trap "" TERM; echo up; sleep 471; echo late', grace_seconds=grace_seconds))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 137
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 137", "JobFinished 137"]
    assert running("sleep 471") == []


def test_a_stopped_job_starts_nothing_more(start: Starter) -> None:
    job = start(
        a_pod(
            an_init_container("init", "sh", "-c", 'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done'),
            a_container("main", "true"),
            restart_policy=RestartPolicy.ALWAYS,
        )
    )
    job.wait_for("up", "init")
    job.terminate()

    assert job.finish() == 143
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated init.0 0", "JobFinished 143"]


def test_back_off_ends_when_the_job_is_told_to_stop(start: Starter) -> None:
    job = start(shell("exit 6", restart_policy=RestartPolicy.ALWAYS))
    wait_until(lambda: "ContainerRestarting" in str(report.read(job.files, 0)))
    job.terminate()

    assert job.finish() == 6


def test_a_pull_is_broken_off_when_the_job_is_told_to_stop(start: Starter, tmp_path: Path) -> None:
    program = tmp_path / "slow-runtime"
    program.write_text("#!/bin/sh\ntouch pulling\nsleep 472\n")
    program.chmod(0o755)
    pod = a_pod(a_container("main", "true", image="docker://registry.invalid/image:1"))
    job = start(pod, site=JobSite(data_root=tmp_path, runtime_program=str(program)))
    wait_until((tmp_path / "pulling").exists)
    job.terminate()

    assert job.finish() == 143
    assert job.story()[1:] == ["ImagePulling main.0", "JobStopping", "JobFinished 143"]
    assert running("sleep 472") == []


def test_a_job_leaves_nothing_running(start: Starter) -> None:
    text = "(setsid sleep 473 &) ; (sleep 473 &); sleep 0.3; exit 0"
    options = JobOptions(pre_exec="sleep 473 &\n(sleep 473 &)")
    job = start(shell(text, options=options))

    assert job.finish() == 0
    assert running("sleep 473") == []
    assert [p for p in running("squashfuse") if str(job.files.root) in Path(f"/proc/{p}/cmdline").read_text()] == []


def test_a_killed_job_leaves_nothing_running_either(start: Starter, tmp_path: Path) -> None:
    job = start(shell("echo up; sleep 474"))
    job.wait_for("up")
    job.process.kill()

    wait_until(lambda: running("sleep 474") == [] and list((tmp_path / "node-tmp").iterdir()) == [])
    job.finish()
    assert running(str(job.files.script.with_name("quick.slurm"))) == []


# ---- The claim.


def test_a_second_job_of_the_pod_leaves_without_a_trace(start: Starter) -> None:
    pod = shell("echo ran")
    job = start(pod)
    job.finish()
    told = job.files.report.read_text()
    twin = start(pod, job_id="124", again=True)

    assert twin.finish() == 0
    assert "job 123 has claimed the pod" in twin.output
    assert job.files.report.read_text() == told
    assert job.files.claim.read_text() == "123\n"


def test_of_many_twins_one_runs(start: Starter) -> None:
    pod = shell("echo ran")
    twins = [start(pod, job_id=str(id_), again=id_ > 200) for id_ in range(200, 210)]

    assert {twin.finish() for twin in twins} == {0}
    assert twins[0].log() == "ran\n"
    assert [type(f) for f in report.read(twins[0].files, 0).facts].count(report.JobStarted) == 1


def test_the_same_job_may_run_again(start: Starter) -> None:
    pod = shell("exit 2")
    start(pod).finish()
    again = start(pod, again=True)

    assert again.finish() == 2
    assert again.story().count("JobStarted") == 2


def test_a_deleted_pod_is_not_started(start: Starter, tmp_path: Path) -> None:
    pod = shell("echo ran")
    files = PodDirectory.of(tmp_path / "data", namespace=pod.namespace, uid=pod.uid)
    first = start(pod, job_id="1")
    first.finish()
    directory.remove(files)
    directory.write(pod, a_plan(pod), root=files.root.parent, token="t", site=JobSite(data_root=files.root.parent))
    directory.mark_deleted(files)
    job = start(pod, again=True)

    assert job.finish() == 0
    assert "the pod was deleted" in job.output
    assert not files.claim.exists()


# ---- Shell texts.


def test_pre_exec_runs_after_the_claim_with_a_temporary_folder_of_its_own(start: Starter, tmp_path: Path) -> None:
    text = (
        "cat <<'EOF' > $TMPDIR/hello.sh\necho \"from $1\"\nEOF\nsh $TMPDIR/hello.sh here\n"
        "cat data/*/claim; echo $POD_IP; trap 'echo cleaned' EXIT\nset -eu; IFS=:; cd /"
    )
    site = JobSite(data_root=tmp_path, command_prefix="echo admin; export FROM_ADMIN='two words'")
    options = JobOptions(pre_exec=text, pod_ip="10.1.2.3", tunnel_commands="echo tunnel")
    job = start(shell("echo main", options=options), site=site)

    assert job.finish() == 0
    assert job.output.splitlines() == ["admin", "tunnel", "from here", "123", "10.1.2.3", "cleaned"]
    assert list((tmp_path / "node-tmp").iterdir()) == []


@pytest.mark.parametrize(("text", "code"), [("exit 4", 4), ("exit 0", 1), ("if then", 2), ("set -e; false", 1)])
def test_a_pre_exec_that_ends_the_job_is_a_failure(start: Starter, text: str, code: int) -> None:
    job = start(shell("echo main", options=JobOptions(pre_exec=text)))

    assert job.finish() == code
    assert job.story() == ["JobStarted", f"JobFinished {code}"]


def test_a_job_told_to_stop_during_pre_exec_ends(start: Starter) -> None:
    job = start(shell("echo main", options=JobOptions(pre_exec="echo up > up; sleep 1")))
    wait_until((job.files.root.parent.parent / "up").exists)
    job.terminate()

    assert job.finish() == 143
    assert job.story() == ["JobStarted", "JobStopping", "JobFinished 143"]


def test_an_older_bash_takes_the_time_from_date(start: Starter) -> None:
    job = start(shell("true", options=JobOptions(pre_exec="unset EPOCHREALTIME")))

    assert job.finish() == 0
    times = [fact.at for fact in job.facts]
    assert times == sorted(times)
    assert (times[-1] - times[0]).total_seconds() < 60


def test_text_on_the_runtime_s_line_and_mpi_come_before_it(start: Starter, tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    mpiexec = bin_folder / "mpiexec"
    mpiexec.write_text('#!/bin/bash\necho "mpiexec ${*:1:4} $FROM_LINE"\nshift 4\nexec "$@"\n')
    mpiexec.chmod(0o755)
    options = JobOptions(mpi_flags=("--x", "a b"), runtime_commands="FROM_LINE='user text'")
    site = JobSite(data_root=tmp_path, runtime_prefix="true && ")
    job = start(
        shell('trap "echo told; exit 0" TERM; echo up; while :; do sleep 0.1; done', options=options), site=site
    )
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 0
    assert job.log() == "mpiexec -np 2 --x a b user text\nup\ntold\n"


MESH = """cat <<'EOFMESH' > $TMPDIR/mesh.sh
#!/bin/bash
set -e
set -m
echo in the mesh
$@ &
fg 1
EOFMESH
"""


def test_full_mesh_runs_the_containers_inside_its_script(start: Starter) -> None:
    text = 'trap "echo told; exit 3" TERM; echo up; while :; do sleep 0.1; done'
    job = start(shell(text, options=JobOptions(pre_exec=MESH)))
    job.wait_for("up")
    job.terminate()

    assert job.finish() == 3
    assert job.output.startswith("in the mesh\n")
    assert job.story()[-3:] == ["JobStopping", "ContainerTerminated main.0 3", "JobFinished 3"]


# ---- Nodes that do not see the pod's directory.


def test_without_a_shared_file_system_everything_travels_in_the_script(start: Starter, tmp_path: Path) -> None:
    mounts = (Mount(volume="conf", path="/c"), Mount(volume="e", path="/e"))
    command = a_container("main", "sh", "-c", 'cat /c/key; echo "$V" > /e/x; cat /e/x > /h/result', env={"V": NASTY})
    pod = a_pod(
        replace(command, mounts=(*mounts, Mount(volume="h", path="/h"))),
        volumes=(FILES, EmptyDirVolume(name="e"), HostPathVolume(name="h", path=str(tmp_path))),
    )
    job = start(pod, site=JobSite(data_root=tmp_path, shared_fs=False))
    job.finish()
    elsewhere = tmp_path / "script-only"
    elsewhere.mkdir()
    (tmp_path / "result").unlink()
    script = elsewhere / "job.slurm"
    script.write_text(job.files.script.read_text())
    directory.remove(job.files)
    alone = Job(job.files, _start_script(script, tmp_path, "123"))

    assert (job.process.returncode, alone.finish()) == (0, 0)
    assert (tmp_path / "result").read_text() == NASTY + "\n"
    assert list((tmp_path / "node-tmp").iterdir()) == []
