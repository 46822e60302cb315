"""``$(VAR)``, compared with the kubelet's own algorithm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.expand import expand

TEXTS = st.text("$()AB x\n", max_size=20)


def kubelets(text: str, values: dict[str, str]) -> str:
    """Character by character, after ``Expand`` of Kubernetes' third_party/forked/golang/expansion/expand.go."""
    out, cursor = "", 0
    while cursor < len(text):
        if text[cursor] != "$" or cursor + 1 == len(text):
            out += text[cursor]
            cursor += 1
            continue
        following = text[cursor + 1]
        close = text.find(")", cursor + 2)
        if following == "(" and close >= 0:
            name = text[cursor + 2 : close]
            out += values.get(name, f"$({name})")
            cursor = close + 1
        else:
            out += "$" if following == "$" else f"${following}"
            cursor += 2
    return out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("a$(A)b$(B)", "a1b2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$A ${A} $(A", "$A ${A} $(A"),
        ("$", "$"),
        ("", ""),
        ("$($(A))", "$($(A))"),
    ],
)
def test_references_are_replaced_as_kubernetes_documents_it(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


@given(TEXTS, st.dictionaries(st.text("AB$( x", max_size=3), TEXTS, max_size=4))
def test_every_text_is_expanded_as_by_the_kubelet(text: str, values: dict[str, str]) -> None:
    assert expand(text, values) == kubelets(text, values)


def test_what_was_put_in_is_not_expanded_again() -> None:
    assert expand("$(A)", {"A": "$(B)", "B": "2"}) == "$(B)"
