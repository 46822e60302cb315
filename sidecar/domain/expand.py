"""``$(VAR)`` in environment values, commands and arguments, as the kubelet expands it.

Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/ and
https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; ``$$`` stands for ``$``; an unknown name stays as it is written."""

    def replacement(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return values.get(match.group(1), match.group())

    return _REFERENCE.sub(replacement, text)


def environment(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Expand an environment in order: a value sees those above it; of two with one name the later wins."""
    values: dict[str, str] = {}
    for name, text in pairs:
        values[name] = expand(text, values)
    return values
