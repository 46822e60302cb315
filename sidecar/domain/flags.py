"""sbatch options as users write them, brought to one spelling.

``-p short``, ``-pshort``, ``--partition short`` and ``--partition=short`` are the same option; a later one replaces
an earlier one. Options that would break the contract between the sidecar and its job are refused with the reason, and
so are names that sbatch does not have: it would take the beginning of a name for the whole (getopt_long(3)), so that
``--part=a`` and ``--partition=b`` would be two answers to one question.

Source: https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sidecar.domain.sbatch_options import ALIASES, KNOWN, OPTIONAL_VALUE, REFUSED, SHORT, WITHOUT_VALUE
from sidecar.errors import UnsupportedPod

EXCLUSIVE_GROUPS = (
    frozenset({"mem", "mem-per-cpu", "mem-per-gpu"}),
    frozenset({"gres", "gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket"}),
)
"""Options that answer the same question: setting one drops the others of an earlier layer."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One option in its long form."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return f"--{self.name}" if self.value is None else f"--{self.name}={self.value}"


def parse(words: Sequence[str], *, where: str, extra: Collection[str] = ()) -> list[Flag]:
    """Read options as sbatch would.

    :param where: what the words come from, for the error's text
    :param extra: long names that plugins of the site's Slurm add; such an option may have a value or not
    :raises UnsupportedPod: a word is no option, lacks its value, or is an option that may not be set
    """
    if any("\n" in word or "\0" in word for word in words):
        raise UnsupportedPod(f"{where}: an sbatch option cannot contain a line break")
    flags = []
    rest = list(words)
    while rest:
        flags.append(_next(rest, where, extra))
    return flags


def _next(rest: list[str], where: str, extra: Collection[str]) -> Flag:
    word = rest.pop(0)
    if word.startswith("--") and len(word) > 2:
        written, equals, value = word[2:].partition("=")
        glued = value if equals else None
        name = ALIASES.get(written, written)
    elif word.startswith("-") and len(word) > 1:
        written, value = word[:2], word[2:]
        name = SHORT.get(word[1], written)
        glued = value.removeprefix("=") or None
        if glued and name in WITHOUT_VALUE:
            rest.insert(0, f"-{glued}")
            glued = None
    else:
        raise UnsupportedPod(f"{where}: {word!r} is not an sbatch option; options begin with - or --")
    _check_name(name, where, extra)
    return _check_value(Flag(name, _value(name, glued, rest, where)), where)


def _check_name(name: str, where: str, extra: Collection[str]) -> None:
    if name in REFUSED:
        raise UnsupportedPod(f"{where}: --{name} cannot be set, because {REFUSED[name]}")
    if name not in KNOWN and name not in extra:
        written = name if name.startswith("-") else f"--{name}"
        raise UnsupportedPod(f"{where}: {written!r} is not an sbatch option{_suggestion(name, extra)}")


def _suggestion(name: str, extra: Collection[str]) -> str:
    """The names that were probably meant: those that begin so, else the most like one."""
    known = sorted({*KNOWN, *ALIASES, *extra})
    begun = [full for full in known if name and full.startswith(name)]
    close = begun[:3] or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    if not close:
        return ""
    return f"; did you mean {' or '.join(f'--{full}' for full in close)}?"


def _value(name: str, glued: str | None, rest: list[str], where: str) -> str | None:
    if name in WITHOUT_VALUE:
        if glued is not None:
            raise UnsupportedPod(f"{where}: --{name} takes no value")
        return None
    if glued or name in OPTIONAL_VALUE:
        return glued
    if glued is None and rest and rest[0] and not rest[0].startswith("-"):
        return rest.pop(0)
    if name in KNOWN:
        raise UnsupportedPod(f"{where}: --{name} needs a value")
    return glued


def _check_value(flag: Flag, where: str) -> Flag:
    if flag.name == "job-name" and "," in (flag.value or ""):
        raise UnsupportedPod(f"{where}: --job-name cannot contain a comma, because Slurm could not find the job by it")
    return flag


def merge(layers: Iterable[Iterable[Flag]]) -> list[Flag]:
    """Put layers over one another; a flag replaces an earlier one of the same name or of the same group."""
    merged: dict[str, Flag] = {}
    for layer in layers:
        flags = list(layer)
        names = {flag.name for flag in flags}
        for group in EXCLUSIVE_GROUPS:
            if group & names:
                merged = {name: flag for name, flag in merged.items() if name not in group}
        for flag in flags:
            merged.pop(flag.name, None)
            merged[flag.name] = flag
    return list(merged.values())


def value_of(flags: Iterable[Flag], *names: str) -> str | None:
    """The value of the first flag that has one of these names; ``""`` for a flag without a value."""
    return next((flag.value or "" for flag in flags if flag.name in names), None)
