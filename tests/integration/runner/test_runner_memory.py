"""What the kernel tells about memory, read as the runner does, from files laid out as the kernel lays them out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[3] / "sidecar" / "job" / "runner" / "containers.sh"
JOB = "/slurm/uid_1001/job_7/step_batch/task_0"


def kills(root: Path, group: str) -> str:
    """What ``sidecar_oom_kills`` finds below another root directory."""
    (root / "proc" / "self").mkdir(parents=True, exist_ok=True)
    (root / "proc" / "self" / "cgroup").write_text(group)
    text = RUNNER.read_text().replace("/proc/self/cgroup", f"{root}/proc/self/cgroup")
    text = text.replace("/sys/fs/cgroup", f"{root}/cgroup")
    call = ["bash", "-c", f"{text}\nsidecar_oom_kills"]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("count", [0, 1, 12])
def test_the_older_hierarchy_counts_kills_in_its_memory_group(tmp_path: Path, count: int) -> None:
    events = f"oom_kill_disable 0\nunder_oom 0\noom_kill {count}\n"
    write(tmp_path / "cgroup" / "memory" / JOB[1:] / "memory.oom_control", events)

    assert kills(tmp_path, f"9:name=systemd:/\n6:freezer:{JOB}\n4:memory:{JOB}\n0::/\n") == f"{count}\n"


def test_the_newer_hierarchy_counts_them_among_other_events(tmp_path: Path) -> None:
    before, after = (f"low 0\nhigh 0\nmax 9\noom 3\noom_kill {n}\noom_group_kill 0\n" for n in (2, 3))
    file = tmp_path / "cgroup" / JOB[1:] / "memory.events"
    write(file, before)
    first = kills(tmp_path, f"0::{JOB}\n")
    write(file, after)

    assert first.splitlines()[0] == "2"
    assert kills(tmp_path, f"0::{JOB}\n").splitlines()[0] == "3"


@pytest.mark.parametrize("events", [None, "oom_kill_disable 0\nunder_oom 0\n"], ids=["no_file", "before_linux_4.13"])
def test_where_the_kernel_does_not_tell_there_is_nothing(tmp_path: Path, events: str | None) -> None:
    if events is not None:
        write(tmp_path / "cgroup" / "memory" / JOB[1:] / "memory.oom_control", events)

    assert kills(tmp_path, f"4:memory:{JOB}\n0::/\n") == ""
