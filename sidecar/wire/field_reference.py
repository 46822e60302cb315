"""``docs/pod-fields.md``, written from the table of fields.

A test compares the file with :func:`render_reference` and says how to write it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePath

from sidecar.wire.field_table import ENTRIES
from sidecar.wire.fields import Entry, Treatment, switch_key

_INTRODUCTION = """\
# The fields of a pod

What becomes of each field that a pod can have, by the Kubernetes API of July 2026. An entry holds for everything below
its field, unless there are entries for what is below. The same table decides about every pod, and a test sends a pod
for each field of the API to see that it is true. Containers run under Apptainer here; what differs under Enroot is in
[enroot.md](enroot.md).

| treatment | meaning |
| --- | --- |
| honoured | it does what Kubernetes documents; the test named shows it |
| refused | the pod is not taken, and the answer names the field |
| ignored | it cannot change the result here; the pod's history names it (`slurm-sidecar history`) |
| elsewhere | Kubernetes or interLink has dealt with it before the pod gets here |
| resolved | interLink sends plain values in its place; a pod in which it arrives as it is, is refused |

Fields that are empty, or have the value that Kubernetes sets where nothing was asked, say nothing and are neither
refused nor noted. A field that is not in the table, because it is newer or misspelt, is skipped, and the pod's history
names it; `*` stands for all others in its place.
"""
_PARTS = {
    "spec": "## The pod's spec",
    "spec.volumes": "## Volumes",
    "spec.containers": "## Containers\n\nInit containers have the same fields.",
    "spec.initContainers": "## Init containers\n\nWhere they differ from containers:",
    "": "## Beside the spec",
}


def render_reference() -> str:
    """The whole of ``docs/pod-fields.md``."""
    same = {_renamed(entry) for entry in ENTRIES if entry.path.startswith("spec.containers.")}
    shown = [entry for entry in ENTRIES if entry not in same]
    return _INTRODUCTION + "".join(
        f"\n{title}\n\n| field | treatment | how | shown by |\n| --- | --- | --- | --- |\n"
        + "".join(_rows(shown, part))
        for part, title in _PARTS.items()
    )


def _renamed(entry: Entry) -> Entry:
    return replace(entry, path=entry.path.replace("spec.containers.", "spec.initContainers.", 1))


def _rows(entries: Iterable[Entry], part: str) -> Iterator[str]:
    for entry in entries:
        if _part(entry.path) == part:
            name = entry.path.removeprefix(f"{part}.")
            shown_by = f"[{PurePath(entry.shown_by).name}](../tests/{entry.shown_by})" if entry.shown_by else ""
            yield f"| `{name}` | {_treatment(entry)} | {_cell(entry)} | {shown_by} |\n"


def _part(path: str) -> str:
    """The last part that the path is in."""
    return max((part for part in _PARTS if not part or path.startswith(f"{part}.")), key=len)


def _treatment(entry: Entry) -> str:
    if not entry.switch:
        return entry.treatment
    return f"{entry.treatment}; {Treatment.IGNORED} with `{switch_key(entry.switch)}: false`"


def _cell(entry: Entry) -> str:
    nothing = ", ".join(f"`{_json(value)}`" for value in entry.nothing)
    sentence = entry.sentence.replace("|", r"\|")
    return f"{sentence} ({nothing}: nothing asked)" if nothing else sentence


def _json(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
