"""sbatch options as users write them, brought to one spelling.

``-p short``, ``-pshort``, ``--partition short`` and ``--partition=short`` are the same option; a later one replaces
an earlier one. Options that would break the contract between the sidecar and its job are refused with the reason.

Source: https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sidecar.errors import UnsupportedPod

SHORT = {
    "A": "account", "a": "array", "b": "begin", "B": "extra-node-info", "C": "constraint", "c": "cpus-per-task",
    "D": "chdir", "d": "dependency", "e": "error", "F": "nodefile", "G": "gpus", "H": "hold", "h": "help",
    "I": "immediate", "i": "input", "J": "job-name", "k": "no-kill", "L": "licenses", "M": "clusters",
    "m": "distribution", "N": "nodes", "n": "ntasks", "O": "overcommit", "o": "output", "p": "partition",
    "Q": "quiet", "q": "qos", "S": "core-spec", "s": "oversubscribe", "t": "time", "V": "version", "v": "verbose",
    "W": "wait", "w": "nodelist", "x": "exclude",
}  # fmt: skip
"""Short letter to long name."""

WITHOUT_VALUE = frozenset({
    "contiguous", "help", "hold", "ignore-pbs", "no-requeue", "overcommit", "oversubscribe", "parsable", "quiet",
    "reboot", "requeue", "spread-job", "stepmgr", "test-only", "usage", "use-min-nodes", "verbose", "version", "wait",
})  # fmt: skip
"""Options that take no value."""

OPTIONAL_VALUE = frozenset({"exclusive", "get-user-env", "nice", "no-kill", "propagate", "immediate"})
"""Options whose value, if any, follows after ``=`` (or glued to the letter), never as a word of its own."""

ALIASES = {"workdir": "chdir", "tasks": "ntasks", "share": "oversubscribe"}
"""Older long names."""

_OWN = "the sidecar sets it itself"
_ONE_JOB = "one pod is exactly one job"
REFUSED = {
    "array": _ONE_JOB,
    "chdir": _OWN,
    "clusters": "the sidecar follows jobs of its own cluster only",
    "comment": "the sidecar finds its jobs by it",
    "error": "the containers' logs go to files of their own",
    "export": "the job's environment must be the pod's",
    "export-file": "the job's environment must be the pod's",
    "get-user-env": "the job's environment must be the pod's",
    "gid": "jobs run as the sidecar's user",
    "help": "it submits nothing",
    "input": "containers have no standard input",
    "no-requeue": _OWN,
    "open-mode": _OWN,
    "output": "the containers' logs go to files of their own",
    "parsable": _OWN,
    "quiet": _OWN,
    "requeue": "a requeued job would run the pod a second time",
    "test-only": "it submits nothing",
    "uid": "jobs run as the sidecar's user",
    "usage": "it submits nothing",
    "verbose": "it changes what the sidecar reads",
    "version": "it submits nothing",
    "wait": "the sidecar does not wait for jobs",
    "wrap": "the script is the sidecar's",
}
"""Options a pod may not set, and why."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_NEVER_SHORTENED = (*REFUSED, "job-name")
"""sbatch takes ``--arr`` for ``--array`` (getopt_long(3)), so the beginnings of these names are refused as well."""

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


def parse(words: Sequence[str], *, where: str) -> list[Flag]:
    """Read options as sbatch would.

    :param where: what the words come from, for the error's text
    :raises UnsupportedPod: a word is no option, lacks its value, or is an option that may not be set
    """
    if any("\n" in word or "\0" in word for word in words):
        raise UnsupportedPod(f"{where}: an sbatch option cannot contain a line break")
    flags = []
    rest = list(words)
    while rest:
        flags.append(_checked(_next(rest, where), where))
    return flags


def _next(rest: list[str], where: str) -> Flag:
    word = rest.pop(0)
    if word.startswith("--") and len(word) > 2:
        name, equals, value = word[2:].partition("=")
        glued = value if equals else None
    elif word.startswith("-") and len(word) > 1:
        letter = word[1]
        if letter not in SHORT:
            raise UnsupportedPod(f"{where}: -{letter} is not an sbatch option")
        name = SHORT[letter]
        glued = word[2:].removeprefix("=") or None
        if glued and name in WITHOUT_VALUE:
            rest.insert(0, f"-{glued}")
            glued = None
    else:
        raise UnsupportedPod(f"{where}: {word!r} is not an sbatch option; options begin with - or --")
    return _with_value(ALIASES.get(name, name), glued, rest, where)


def _with_value(name: str, glued: str | None, rest: list[str], where: str) -> Flag:
    if glued is not None or name in WITHOUT_VALUE or name in OPTIONAL_VALUE:
        return Flag(name, glued)
    if rest and not rest[0].startswith("-"):
        return Flag(name, rest.pop(0))
    if name in SHORT.values():
        raise UnsupportedPod(f"{where}: --{name} needs a value")
    return Flag(name)


def _checked(flag: Flag, where: str) -> Flag:
    if not _NAME.fullmatch(flag.name):
        raise UnsupportedPod(f"{where}: {f'--{flag.name}'!r} is not an sbatch option")
    if full := next((name for name in _NEVER_SHORTENED if _is_beginning(flag.name, name)), None):
        raise UnsupportedPod(f"{where}: --{flag.name} would be taken for --{full}; write names in full")
    if flag.name in REFUSED:
        raise UnsupportedPod(f"{where}: --{flag.name} cannot be set by a pod, because {REFUSED[flag.name]}")
    if flag.name == "job-name" and "," in (flag.value or ""):
        raise UnsupportedPod(f"{where}: --job-name cannot contain a comma, because Slurm could not find the job by it")
    return flag


def _is_beginning(name: str, full: str) -> bool:
    return full.startswith(name) and name != full and name not in REFUSED


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
