"""Writes ``pod-fields.txt`` again, from ``core/v1/types.go`` of https://github.com/kubernetes/api on standard input.

python tests/data/kubernetes/extract.py COMMIT < types.go > tests/data/kubernetes/pod-fields.txt
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.S | re.M)
_FIELD = re.compile(r'^\s*(?:\w+\s+)?([\[\]*\w.]+)\s+`json:"([^",]*)', re.M)
_STRING = re.compile(r"^type (\w+) string", re.M)
_KINDS = {
    "string": "string",
    "bool": "boolean",
    "int32": "integer",
    "int64": "integer",
    "intstr.IntOrString": "port",
    "resource.Quantity": "quantity",
    "ResourceList": "map",
    "map[string]string": "map",
    "metav1.LabelSelector": "object",
    "metav1.ObjectMeta": "object",
}
_LIKE_CONTAINERS = ("spec.initContainers", "spec.ephemeralContainers")
_HEADER = """\
# Every field of a pod's spec, one a line with its kind, from core/v1/types.go of https://github.com/kubernetes/api,
# commit {}. Init containers have the fields of containers, ephemeral ones too."""


class Types:
    """The structs of a Go file."""

    def __init__(self, source: str) -> None:
        self._structs = {name: _FIELD.findall(body) for name, body in _STRUCT.findall(source)}
        self._kinds = _KINDS | dict.fromkeys(_STRING.findall(source), "string")

    def below(self, struct: str, path: str, above: tuple[str, ...] = ()) -> Iterator[str]:
        """Each field with its path, and the fields of its own struct; a struct inside of itself is left out."""
        for go_type, name in self._structs[struct]:
            inner = go_type.replace("[]", "").replace("*", "")
            if not name:  # embedded
                yield from self.below(inner, path, above)
                continue
            kind = "object" if inner in self._structs else self._kinds[inner]
            yield f"{path}.{name} {'list of ' * ('[]' in go_type.replace('map[', ''))}{kind}"
            if inner in self._structs and inner not in above and f"{path}.{name}" not in _LIKE_CONTAINERS:
                yield from self.below(inner, f"{path}.{name}", (*above, inner))


if __name__ == "__main__":
    print(_HEADER.format(sys.argv[1]), *Types(sys.stdin.read()).below("PodSpec", "spec"), sep="\n")
