"""sinfo's output becomes the cluster's capacity. The first text was printed by sinfo 22.05.8."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.cluster import ClusterReading, parse_cluster

HEADING = "NODELIST PARTITION STATE CPUS MEMORY GRES\n"
REAL = (
    HEADING
    + """\
node1 main* idle 64 64000 gpu:4
node1 short idle 64 64000 gpu:4
node2 main* mixed 64 64000 gpu:4
node2 short mixed 64 64000 gpu:4
node3 main* mixed* 64 64000 gpu:4
node3 short mixed* 64 64000 gpu:4
"""
)


def test_each_node_that_answers_is_counted_once() -> None:
    assert parse_cluster(REAL) == ClusterReading(
        total_cpus=128, memory_bytes=128000 * 1024**2, nodes=2, gpus={"": 8}, text=REAL
    )


@pytest.mark.parametrize(
    "state", ["idle", "mixed", "allocated", "idle~", "completing", "planned", "reserved", "mixed#"]
)
def test_a_node_that_works_counts(state: str) -> None:
    assert parse_cluster(f"{HEADING}n1 main {state} 8 1000 (null)\n").nodes == 1


@pytest.mark.parametrize(
    "state",
    ["down", "down*", "drained", "draining", "drained~", "inval", "idle*", "unknown*", "failing", "maint", "future"],
)
def test_a_node_that_takes_no_jobs_does_not_count(state: str) -> None:
    reading = parse_cluster(f"{HEADING}n1 main {state} 8 1000 gpu:2\n")

    assert (reading.nodes, reading.total_cpus, reading.memory_bytes, reading.gpus) == (0, 0, 0, {})


@pytest.mark.parametrize(
    ("resources", "gpus"),
    [
        ("(null)", {}),
        ("gpu:4", {"": 4}),
        ("gpu", {"": 1}),
        ("gpu:a100", {"a100": 1}),
        ("gpu:a100:4(S:0-1)", {"a100": 4}),
        ("gpu:a100:4(S:0,1),gpu:v100:2", {"a100": 4, "v100": 2}),
        ("gpu:4090:2", {"4090": 2}),
        ("shard:8,gpu:1g.5gb:7(S:0),nvme:1", {"1g.5gb": 7}),
        ("mygpu:3", {}),
    ],
)
def test_gpus_are_counted_by_type(resources: str, gpus: dict[str, int]) -> None:
    assert parse_cluster(f"{HEADING}n1 main idle 8 1000 {resources}\n").gpus == gpus


def test_a_cluster_without_nodes_has_nothing() -> None:
    assert parse_cluster(HEADING).nodes == 0
    assert parse_cluster("").nodes == 0


@pytest.mark.parametrize("line", ["n1 main idle 8", "n1 main idle eight 1000 (null)", "slurm_load_partitions: oops"])
def test_a_line_that_is_not_a_node_is_an_error(line: str) -> None:
    with pytest.raises(UnreadableSlurmOutput):
        parse_cluster(f"{HEADING}{line}\n")


@given(st.one_of(st.text(), st.lists(st.text("ab19+*:,( "), min_size=6, max_size=6).map(" ".join)))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    with suppress(UnreadableSlurmOutput):
        parse_cluster(HEADING + text)
