"""The job's memory, as control groups tell it."""

from __future__ import annotations

from pathlib import Path

from sidecar.runner.system.memory_limit import memory_limit

MIB = 1024 * 1024


def a_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_tightest_group_above_a_process_counts(tmp_path: Path) -> None:
    a_file(tmp_path / "proc/self/cgroup", "0::/system.slice/job_1/step_0/task\n")
    a_file(tmp_path / "sys/fs/cgroup/system.slice/job_1/memory.max", f"{64 * MIB}\n")
    a_file(tmp_path / "sys/fs/cgroup/system.slice/job_1/step_0/memory.max", f"{128 * MIB}\n")
    a_file(tmp_path / "sys/fs/cgroup/system.slice/job_1/step_0/task/memory.max", "max\n")

    assert memory_limit(str(tmp_path)) == 64 * MIB


def test_the_older_kernels_say_it_in_one_number(tmp_path: Path) -> None:
    a_file(tmp_path / "proc/self/cgroup", "5:cpu:/\n4:memory:/slurm/job_1\n0::/\n")
    a_file(tmp_path / "sys/fs/cgroup/memory/slurm/job_1/memory.stat", f"rss 5\nhierarchical_memory_limit {96 * MIB}\n")

    assert memory_limit(str(tmp_path)) == 96 * MIB


def test_more_than_the_node_has_is_no_limit(tmp_path: Path) -> None:
    a_file(tmp_path / "proc/self/cgroup", "4:memory:/\n")
    a_file(tmp_path / "sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 9223372036854771712\n")

    assert memory_limit(str(tmp_path)) is None


def test_a_kernel_that_tells_nothing_sets_no_limit(tmp_path: Path) -> None:
    assert memory_limit(str(tmp_path)) is None
