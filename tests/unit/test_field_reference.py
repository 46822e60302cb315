"""The table of fields covers the Kubernetes API, is consistent, and is what the documentation shows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sidecar.domain.plan import SitePolicy
from sidecar.wire.field_reference import render_reference
from sidecar.wire.field_table import ENTRIES
from sidecar.wire.fields import Treatment
from tests.api_fields import API, ROOT, deciding

DOCUMENT = ROOT / "docs" / "pod-fields.md"


def test_the_documentation_is_up_to_date() -> None:
    assert DOCUMENT.read_text("utf-8") == render_reference(), (
        "write it again: python -c 'import sidecar.wire.field_reference as f; print(f.render_reference(), end=str())'"
        " > docs/pod-fields.md"
    )


def test_every_field_of_the_api_is_decided_about() -> None:
    assert [path for path in API if deciding(path) is None] == []


def test_the_table_has_no_field_twice_and_none_that_kubernetes_has_not() -> None:
    paths = Counter(entry.path for entry in ENTRIES)
    known = {*API, *(path.replace("spec.containers", "spec.initContainers") for path in API)}

    assert {path for path, times in paths.items() if times > 1} == set()
    assert {path for path in paths if path.startswith("spec.") and not path.endswith(".*")} - known == set()


def test_what_is_honoured_names_a_test_that_is_there() -> None:
    named = {entry.path: Path(ROOT / "tests" / entry.shown_by) for entry in ENTRIES if entry.shown_by}

    assert set(named) == {entry.path for entry in ENTRIES if entry.treatment is Treatment.HONOURED}
    assert {path for path, file in named.items() if not file.is_file()} == set()


def test_only_what_is_honoured_is_told_apart_further() -> None:
    closed = [f"{entry.path}." for entry in ENTRIES if entry.treatment is not Treatment.HONOURED]

    assert [entry.path for entry in ENTRIES if entry.path.startswith(tuple(closed))] == []


def test_a_switch_is_one_of_the_sites_policy() -> None:
    assert {entry.switch for entry in ENTRIES if entry.switch} <= set(SitePolicy.__dataclass_fields__)


def test_init_containers_have_an_entry_for_every_field_of_containers() -> None:
    paths = {entry.path for entry in ENTRIES}

    containers = {path for path in paths if path.startswith("spec.containers.")}
    assert {path.replace("spec.containers", "spec.initContainers") for path in containers} <= paths
