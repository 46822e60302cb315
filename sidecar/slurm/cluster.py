"""What the cluster has: one sinfo call, each node counted once, and how to read what it prints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.domain.partitions import Partitions
from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.parse import parse_count

NODE_FORMAT = "%N %P %a %T %c %m %G"
"""The value of ``--format`` that :func:`parse_cluster` reads: name, partition (a star marks Slurm's default) and
whether it is up, the node's state, cores, MB of memory, generic resources; none of them contains a space
(https://slurm.schedmd.com/sinfo.html)."""

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
_DEFAULT = "*"
_STATE_MARKS = "*~#!%$@^-+"

_ITEM = re.compile(r"([^:,()]+)((?::[^:,()]+)*)(?:\([^)]*\))?(?:,|$)")
"""``gpu``, ``gpu:4``, ``gpu:a100`` or ``gpu:a100:4(S:0,1)``: https://slurm.schedmd.com/gres.html."""
_COUNT = re.compile("([0-9]{1,9})([KMGTP]?)")
_FACTORS = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T", "P"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReading:
    """The capacity of all nodes that can run jobs."""

    total_cpus: int
    memory_bytes: int
    nodes: int
    generic: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By Slurm's name and type, such as ``("gpu", "a100")``; an empty type where there is none. 0 for what only
    unusable nodes have."""
    text: str = ""
    """What sinfo printed, for people."""

    @property
    def gpus(self) -> int:
        """Of all types together."""
        return sum(count for (name, _), count in self.generic.items() if name == "gpu")


@dataclass(frozen=True, slots=True)
class _Line:
    """One node in one of its partitions."""

    name: str
    partition: str
    is_default: bool
    is_usable: bool
    cpus: int
    memory_mb: int
    generic: str


def parse_cluster(text: str, partitions: Partitions | None = None) -> ClusterReading:
    """Read what sinfo printed: a heading, then one line for each node in each of its partitions.

    :param partitions: whose nodes count; all count where there is none of these
    :raises UnreadableSlurmOutput: it is not what was asked for
    """
    lines = [_parse_line(line) for line in text.splitlines()[1:]]
    if partitions is not None:
        lines = [line for line in lines if _is_among(line, partitions)] or lines
    every = {line.name: line for line in lines}
    usable = {line.name: line for line in lines if line.is_usable}
    return ClusterReading(
        total_cpus=sum(node.cpus for node in usable.values()),
        memory_bytes=sum(node.memory_mb for node in usable.values()) * 1024**2,
        nodes=len(usable),
        generic=dict.fromkeys(_count(every.values()), 0) | _count(usable.values()),
        text=text,
    )


def _is_among(line: _Line, partitions: Partitions) -> bool:
    return line.partition in partitions.named or (partitions.default and line.is_default)


def _parse_line(line: str) -> _Line:
    words = line.split()
    if len(words) != len(NODE_FORMAT.split()):
        raise UnreadableSlurmOutput(f"sinfo printed {line[:80]!r} where a node belongs")
    name, partition, available, state, cpus, memory, generic = words
    return _Line(
        name=name,
        partition=partition.removesuffix(_DEFAULT),
        is_default=partition.endswith(_DEFAULT),
        is_usable=available == "up" and _NOT_RESPONDING not in state and state.rstrip(_STATE_MARKS) not in _UNUSABLE,
        cpus=parse_count(cpus.rstrip("+")),
        memory_mb=parse_count(memory.rstrip("+")),
        generic=generic,
    )


def _count(nodes: Iterable[_Line]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for node in nodes:
        for match in _ITEM.finditer(node.generic):
            _, *words = match[2].split(":")
            number = _COUNT.fullmatch(words[-1]) if words else None
            kind = next(iter(words[:-1] if number else words), "")
            found[match[1], kind] += int(number[1]) * _FACTORS[number[2]] if number else 1
    return dict(found)
