"""How often the kernel killed for lack of memory, read from files laid out as the kernel lays them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.runner.system.memory_kills import memory_kills

JOB = "/slurm/uid_1001/job_7/step_batch/task_0"


def groups(root: Path, text: str) -> None:
    write(root / "proc/self/cgroup", text)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("count", [0, 1, 12])
def test_the_older_hierarchy_counts_kills_in_its_memory_group(tmp_path: Path, count: int) -> None:
    groups(tmp_path, f"9:name=systemd:/\n6:freezer:{JOB}\n4:memory:{JOB}\n0::/\n")
    events = f"oom_kill_disable 0\nunder_oom 0\noom_kill {count}\n"
    write(tmp_path / f"sys/fs/cgroup/memory{JOB}/memory.oom_control", events)

    assert memory_kills(str(tmp_path)) == count


@pytest.mark.parametrize("count", [2, 3])
def test_the_newer_hierarchy_counts_them_among_other_events(tmp_path: Path, count: int) -> None:
    groups(tmp_path, f"0::{JOB}\n")
    events = f"low 0\nhigh 0\nmax 9\noom 3\noom_kill {count}\noom_group_kill 0\n"
    write(tmp_path / f"sys/fs/cgroup{JOB}/memory.events", events)

    assert memory_kills(str(tmp_path)) == count


@pytest.mark.parametrize(
    "events",
    [None, "oom_kill_disable 0\nunder_oom 0\n", "oom_kill many\n"],
    ids=["no_file", "before_linux_4.13", "odd"],
)
def test_where_the_kernel_does_not_tell_there_is_no_count(tmp_path: Path, events: str | None) -> None:
    groups(tmp_path, f"4:memory:{JOB}\n0::/\n")
    if events is not None:
        write(tmp_path / f"sys/fs/cgroup/memory{JOB}/memory.oom_control", events)

    assert memory_kills(str(tmp_path)) is None


def test_a_kernel_without_groups_has_no_count(tmp_path: Path) -> None:
    assert memory_kills(str(tmp_path)) is None


def test_a_group_with_a_colon_in_its_name_is_found(tmp_path: Path) -> None:
    groups(tmp_path, "0::/a:b\n")
    write(tmp_path / "sys/fs/cgroup/a:b/memory.events", "oom_kill 1\n")

    assert memory_kills(str(tmp_path)) == 1
