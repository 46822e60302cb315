"""``$(VAR)`` in commands and arguments (and, for manifests, in environment values), as the kubelet expands it.

Source: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/ and
https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; ``$$`` stands for ``$``; an unknown name stays as it is written."""

    def replacement(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return values.get(match.group(1), match.group())

    return _REFERENCE.sub(replacement, text)


def replace(text: str, values: Mapping[str, str]) -> str:
    """Replace only ``$(NAME)`` with one of these names: all else was expanded before."""
    return _REFERENCE.sub(lambda match: values.get(match[1] or "", match[0]), text)


def missing(text: str, values: Mapping[str, str]) -> list[str]:
    """The names in a text that :func:`expand` would leave as they are written."""
    return [match[1] for match in _REFERENCE.finditer(text) if match[1] is not None and match[1] not in values]
