"""What becomes of each field of a pod: one table says it, and requests and the documentation follow it.

An entry holds for everything below its path, unless there are entries for what is below. A field that is in no entry
is unknown here (newer than this program, or misspelt): it is skipped, and the pod's history says so.

Source of the fields: https://github.com/kubernetes/api/blob/master/core/v1/types.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sidecar.domain.plan import SitePolicy


class Treatment(StrEnum):
    """What happens to a field that a pod sets."""

    HONOURED = "honoured"
    """It does what Kubernetes documents."""
    REFUSED = "refused"
    """The pod is not taken; the answer names the field."""
    IGNORED = "ignored"
    """It cannot change the result here; the pod's history names it."""
    ELSEWHERE = "elsewhere"
    """Kubernetes or interLink has dealt with it before the pod gets here."""
    RESOLVED = "resolved"
    """interLink replaces it by plain values; should it arrive as it is, the pod is refused by the field's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the table."""

    path: str
    """JSON path from the pod's root, without list positions, such as ``spec.containers.ports.hostPort``; a last part
    ``*`` stands for every other field there, also for those that no Kubernetes has yet."""
    treatment: Treatment
    sentence: str
    """How it is honoured, or why not."""
    nothing: tuple[object, ...] = ()
    """Values that ask for nothing, beside those that are empty; ``False`` is one unless others are listed."""
    switch: str = ""
    """The switch of :class:`SitePolicy` without which the field is ignored."""
    recorded: bool = False
    """Whether the history holds the value of an ignored field, too."""
    shown_by: str = ""
    """For honoured fields: the test, below ``tests/``, that shows it."""

    def asks(self, value: object) -> bool:
        """Whether a value asks for something at all."""
        if value in (None, "", [], {}) or (value is False and not self.nothing):
            return False
        return not any(value == default and type(value) is type(default) for default in self.nothing)


@dataclass(slots=True)
class Node:
    """The entries below one path."""

    entry: Entry | None = None
    below: dict[str, Node] = field(default_factory=dict)


@dataclass(slots=True)
class Findings:
    """What a pod's fields come to; each text once, in the pod's order."""

    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def tree(entries: Iterable[Entry]) -> Node:
    """The entries by their paths' parts."""
    root = Node()
    for entry in entries:
        node = root
        for part in entry.path.split("."):
            node = node.below.setdefault(part, Node())
        node.entry = entry
    return root


def judge(pod: Mapping[str, Any], table: Node, policy: SitePolicy) -> Findings:
    """Look up every field that a pod, as decoded JSON, sets."""
    findings = Findings()
    _Judge(policy, findings).below(pod, table, "")
    findings.refused[:] = dict.fromkeys(findings.refused)
    findings.notes[:] = dict.fromkeys(findings.notes)
    return findings


class _Judge:
    def __init__(self, policy: SitePolicy, findings: Findings) -> None:
        self._policy = policy
        self._findings = findings

    def below(self, value: Any, node: Node, where: str) -> None:
        """Judge the fields of an object, or of each object in a list."""
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, dict):
                place = _named(where, item)
                for name, inner in item.items():
                    self._field(inner, node.below.get(name) or node.below.get("*"), f"{place}{name}")

    def _field(self, value: Any, node: Node | None, where: str) -> None:
        if node is None:
            if value not in (None, "", [], {}):
                self._findings.notes.append(f"unknown field {where} skipped")
            return
        entry = node.entry
        if entry and entry.switch and entry.asks(value) and not getattr(self._policy, entry.switch):
            self._findings.notes.append(f"{where} ignored ({switch_key(entry.switch)}: false)")
        elif node.below:
            self.below(value, node, f"{where}.")
        elif entry and entry.asks(value):
            if entry.treatment is Treatment.REFUSED:
                self._findings.refused.append(f"{where} is not supported: {entry.sentence}")
            elif entry.treatment is Treatment.IGNORED:
                said = f" ({value}, recorded only)" if entry.recorded else ""
                self._findings.notes.append(f"{where}{said} ignored: {entry.sentence}")


_NAMED = {"spec.containers.": "container", "spec.initContainers.": "init container", "spec.volumes.": "volume"}


def _named(where: str, item: Mapping[str, Any]) -> str:
    """Items that have names are told by them: ``container main: `` instead of ``spec.containers.``."""
    name = item.get("name")
    return f"{_NAMED[where]} {name[:80]}: " if where in _NAMED and isinstance(name, str) else where


def switch_key(switch: str) -> str:
    """The configuration's key for a switch of the policy."""
    return "".join(word.capitalize() for word in switch.split("_"))


def at(prefix: str, entries: Iterable[Entry]) -> Iterator[Entry]:
    """The same entries at another place."""
    for entry in entries:
        yield replace(entry, path=f"{prefix}.{entry.path}")
