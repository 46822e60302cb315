"""JSON without the module for it: the same values, both ways."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.contract import plain_json

ROOT = Path(__file__).parents[3]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_a_value_is_read_as_it_was_written(value: object, ascii_only: bool) -> None:
    assert plain_json.loads(f" {json.dumps(value, ensure_ascii=ascii_only)}\n") == value


@given(st.dictionaries(TEXTS, TEXTS | NUMBERS | st.booleans(), max_size=6))
def test_an_object_is_written_so_that_everybody_can_read_it(fields: dict[str, object]) -> None:
    assert json.loads(plain_json.dumps_flat(fields)) == fields


@pytest.mark.parametrize("text", ["", " ", "{", "{'a': 1}", "[1,]", "1 2", '{"a": 1}x', "nul", '"\n"'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Invalid|Illegal|Extra"):
        plain_json.loads(text)


@pytest.mark.parametrize("text", ['{"a": "b', "[1,]", '{"a" 1}', ""])
def test_it_is_refused_as_well_where_nobody_has_imported_the_usual_module(text: str) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from sidecar.runner.contract import plain_json\n"
        f"try: plain_json.loads({text!r})\n"
        "except ValueError: sys.exit('json.decoder' in sys.modules)\n"
        "sys.exit(2)"
    )

    assert subprocess.run([sys.executable, "-I", "-S", "-c", program], check=False).returncode == 0


def same_as_usual(text: str) -> bool:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = ValueError
    try:
        return bool(plain_json.loads(text) == expected)
    except ValueError:
        return expected is ValueError


@given(st.text())
def test_any_text_is_read_as_the_usual_module_reads_it(text: str) -> None:
    assert same_as_usual(text)
