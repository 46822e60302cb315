"""What the cluster has: one sinfo call, each node counted once, and how to read what it prints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.parse import parse_count

NODE_FORMAT = "%N %P %T %c %m %G"
"""The value of ``--format`` that :func:`parse_cluster` reads: name, partition, state, cores, MB of memory, generic
resources; none of them contains a space (https://slurm.schedmd.com/sinfo.html)."""

_UNUSABLE = frozenset(
    {
        "down",
        "drained",
        "draining",
        "error",
        "fail",
        "failing",
        "future",
        "inval",
        "maint",
        "reboot",
        "reboot_issued",
        "reboot_requested",
        "unknown",
    }
)
"""Node states in which no new job starts: https://slurm.schedmd.com/sinfo.html, "NODE STATE CODES"."""

_NOT_RESPONDING = "*"
_STATE_MARKS = "*~#!%$@^-+"

_GPU = re.compile(r"(?:^|,)gpu((?::[^:,(]+)*)")
"""``gpu``, ``gpu:4``, ``gpu:a100`` or ``gpu:a100:4(S:0-1)``: https://slurm.schedmd.com/gres.html."""
_COUNT = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReading:
    """The capacity of all nodes that can run jobs."""

    total_cpus: int
    memory_bytes: int
    nodes: int
    gpus: Mapping[str, int] = field(default_factory=dict)
    """By Slurm's type, such as ``a100``; an empty name for GPUs without a type."""
    text: str = ""
    """What sinfo printed, for people."""


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    state: str
    cpus: int
    memory_mb: int
    resources: str


def parse_cluster(text: str) -> ClusterReading:
    """Read what sinfo printed: a heading, then one line for each node in each of its partitions.

    :raises UnreadableSlurmOutput: it is not what was asked for
    """
    nodes = [node for node in _each_once(text) if _is_usable(node.state)]
    return ClusterReading(
        total_cpus=sum(node.cpus for node in nodes),
        memory_bytes=sum(node.memory_mb for node in nodes) * 1024**2,
        nodes=len(nodes),
        gpus=_count_gpus(nodes),
        text=text,
    )


def _each_once(text: str) -> Iterable[_Node]:
    return {node.name: node for node in map(_parse_node, text.splitlines()[1:])}.values()


def _parse_node(line: str) -> _Node:
    words = line.split()
    if len(words) != len(NODE_FORMAT.split()):
        raise UnreadableSlurmOutput(f"sinfo printed {line[:80]!r} where a node belongs")
    name, _, state, cpus, memory, resources = words
    return _Node(name, state, parse_count(cpus.rstrip("+")), parse_count(memory.rstrip("+")), resources)


def _is_usable(state: str) -> bool:
    return _NOT_RESPONDING not in state and state.rstrip(_STATE_MARKS) not in _UNUSABLE


def _count_gpus(nodes: Iterable[_Node]) -> Mapping[str, int]:
    gpus: Counter[str] = Counter()
    for node in nodes:
        for match in _GPU.finditer(node.resources):
            _, *words = match[1].split(":")
            count = int(words.pop()) if words and _COUNT.fullmatch(words[-1]) else 1
            gpus[words[0] if words else ""] += count
    return dict(gpus)
