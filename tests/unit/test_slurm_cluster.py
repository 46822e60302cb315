"""sinfo's output becomes the cluster's capacity. The first text was printed by sinfo 22.05.8."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.partitions import Partitions
from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.cluster import ClusterReading, parse_cluster

HEADING = "NODELIST PARTITION AVAIL STATE CPUS MEMORY GRES\n"
REAL = (
    HEADING
    + """\
node1 main* up idle 64 64000 gpu:4
node1 short up idle 64 64000 gpu:4
node2 main* up mixed 64 64000 gpu:4
node2 short up mixed 64 64000 gpu:4
node3 main* up mixed* 64 64000 gpu:4
node3 short up mixed* 64 64000 gpu:4
"""
)


def test_each_node_that_answers_is_counted_once() -> None:
    reading = parse_cluster(REAL)

    assert reading == ClusterReading(
        total_cpus=128, memory_bytes=128000 * 1024**2, nodes=2, generic={("gpu", ""): 8}, text=REAL
    )
    assert reading.gpus == 8


@pytest.mark.parametrize(
    "state", ["idle", "mixed", "allocated", "idle~", "completing", "planned", "reserved", "mixed#"]
)
def test_a_node_that_works_counts(state: str) -> None:
    assert parse_cluster(f"{HEADING}n1 main up {state} 8 1000 (null)\n").nodes == 1


@pytest.mark.parametrize(
    "state",
    ["down", "down*", "drained", "draining", "drained~", "inval", "idle*", "unknown*", "failing", "maint", "future"],
)
def test_a_node_that_takes_no_jobs_does_not_count_but_what_it_has_is_known(state: str) -> None:
    reading = parse_cluster(f"{HEADING}n1 main up {state} 8 1000 gpu:2\n")

    assert (reading.nodes, reading.total_cpus, reading.memory_bytes) == (0, 0, 0)
    assert reading.generic == {("gpu", ""): 0}


@pytest.mark.parametrize(("available", "nodes"), [("up", 1), ("down", 0), ("drain", 0), ("inact", 0)])
def test_the_nodes_of_a_partition_that_starts_no_jobs_do_not_count(available: str, nodes: int) -> None:
    assert parse_cluster(f"{HEADING}n1 main* {available} idle 8 1000 (null)\n").nodes == nodes


def test_a_node_counts_when_one_of_its_partitions_is_up() -> None:
    lines = ["n1 main* up idle 8 1000 gpu:1", "n1 old down idle 8 1000 gpu:1"]
    for text in ("\n".join(lines), "\n".join(reversed(lines))):
        assert (parse_cluster(HEADING + text).nodes, parse_cluster(HEADING + text).gpus) == (1, 1)


OVERLAPPING = (
    HEADING
    + """\
n1 cpu* up idle 8 1000 (null)
n2 cpu* up idle 8 1000 (null)
n2 big up idle 8 1000 (null)
n3 gpu up idle 16 2000 gpu:a100:4
n4 gpu up down 16 2000 gpu:v100:4
n5 other up idle 64 9000 gpu:h100:8
"""
)


@pytest.mark.parametrize(
    ("partitions", "cores", "generic"),
    [
        (Partitions(), 16, {}),
        (Partitions(named=frozenset({"big"})), 16, {}),
        (Partitions(named=frozenset({"big"}), default=False), 8, {}),
        (Partitions(named=frozenset({"gpu"})), 32, {("gpu", "a100"): 4, ("gpu", "v100"): 0}),
        (Partitions(named=frozenset({"gone"}), default=False), 96, None),
        (None, 96, None),
    ],
    ids=["the default", "an overlap", "one alone", "with gpus", "none there is", "all"],
)
def test_only_the_partitions_in_use_count(
    partitions: Partitions | None, cores: int, generic: dict[tuple[str, str], int] | None
) -> None:
    reading = parse_cluster(OVERLAPPING, partitions)

    assert reading.total_cpus == cores
    if generic is not None:
        assert reading.generic == generic


@pytest.mark.parametrize(
    ("printed", "generic"),
    [
        ("(null)", {}),
        ("gpu:4", {("gpu", ""): 4}),
        ("gpu", {("gpu", ""): 1}),
        ("gpu:a100", {("gpu", "a100"): 1}),
        ("gpu:a100:4(S:0-1)", {("gpu", "a100"): 4}),
        ("gpu:a100:4(S:0,1),gpu:v100:2", {("gpu", "a100"): 4, ("gpu", "v100"): 2}),
        ("gpu:4090:2", {("gpu", "4090"): 2}),
        ("shard:8,gpu:1g.5gb:7(S:0),nvme:1", {("shard", ""): 8, ("gpu", "1g.5gb"): 7, ("nvme", ""): 1}),
        ("tmpdisk:2K", {("tmpdisk", ""): 2048}),
    ],
)
def test_generic_resources_are_counted_by_name_and_type(printed: str, generic: dict[tuple[str, str], int]) -> None:
    assert parse_cluster(f"{HEADING}n1 main up idle 8 1000 {printed}\n").generic == generic


def test_a_cluster_without_nodes_has_nothing() -> None:
    assert parse_cluster(HEADING).nodes == 0
    assert parse_cluster("").nodes == 0


@pytest.mark.parametrize("line", ["n1 main up idle 8", "n1 main up idle eight 9 (null)", "slurm_load_partitions: oops"])
def test_a_line_that_is_not_a_node_is_an_error(line: str) -> None:
    with pytest.raises(UnreadableSlurmOutput):
        parse_cluster(f"{HEADING}{line}\n")


@given(st.one_of(st.text(), st.lists(st.text("ab19+*:,( "), min_size=7, max_size=7).map(" ".join)))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    with suppress(UnreadableSlurmOutput):
        parse_cluster(HEADING + text)
