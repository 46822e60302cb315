"""Starting the scripts of jobs and looking at what they do; shared by the tests beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.domain.pod import JobOptions, Pod, RestartPolicy
from sidecar.job_output import report
from sidecar.pod_files.paths import PodDirectory
from sidecar.runner.contract import layout
from tests.jobs import a_container, a_pod

STAYS = "trap 'exit 143' TERM; echo up; while :; do sleep 0.1; done"
"""Of a container that runs until it is told to end: as process 1 it must heed the signal itself."""
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
        """What was reported by the end: the fact, its container, attempt and code."""
        return [" ".join(_words(fact)) for fact in self.facts]

    def story_so_far(self) -> list[str]:
        return [" ".join(_words(fact)) for fact in report.read(self.files, 0).facts]


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


def words_of(path: Path) -> list[str]:
    """The words that a script noted, each with a NUL behind it."""
    return path.read_text().split("\0")[:-1]


def running(words: str) -> list[int]:
    """Processes that began during these tests and whose command line holds these words."""
    began = _began_at(Path("/proc/self"))
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if words in line and _began_at(folder) >= began:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _began_at(process: Path) -> int:
    """In the kernel's ticks since its start."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[19])


def start_script(
    script: Path, tmp_path: Path, job_id: str, backoff: float = 1, tmpdir: Path | None = None
) -> subprocess.Popen[str]:
    document = script.with_name(layout.DOCUMENT)
    if document.exists():  # with short waits between two tries
        document.write_text(document.read_text().replace('"first":10,', f'"first":{backoff},'))
    node_tmp = tmp_path / "node-tmp"
    node_tmp.mkdir(exist_ok=True)
    bin_folder = tmp_path / "bin"
    environ = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "USER": os.environ.get("USER", "nobody"),
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(tmpdir or node_tmp),
        "HOSTNAME": "as-slurm-calls-the-node",
        "SLURM_JOB_ID": job_id,
        "SLURM_NTASKS": "2",
        "HOST_ONLY": "leaks",
    }
    return subprocess.Popen(
        ["bash", str(script)],
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
