"""The configuration as it is written: every value with its place, nothing interpreted yet.

The file is composed into YAML nodes and not loaded into Python values, because a problem is reported with its line,
and because ``"4000"`` and ``4000``, ``"false"`` and ``false`` shall mean the same here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml
from yaml.constructor import SafeConstructor

from sidecar.errors import InvalidSettings

_TEXT_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"
_MERGE_TAG = "tag:yaml.org,2002:merge"
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Value:
    """One value and the place it comes from."""

    name: str
    """The key with its parents, such as ``Flavors.gpu.CPUDefault``, or the environment variable."""
    source: str
    """The file, ``environment`` or ``default``."""
    line: int
    """Counted from 1; 0 where there are no lines."""
    node: yaml.Node = field(repr=False)

    @classmethod
    def of_text(cls, name: str, source: str, text: str) -> Value:
        """A value that is not in the file."""
        return cls(name, source, 0, yaml.ScalarNode(_TEXT_TAG, text))

    @property
    def place(self) -> str:
        """``file:line``, or the source alone."""
        return f"{self.source}:{self.line}" if self.line else self.source

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written: null, ``""``, ``[]`` or ``{}``, which all mean the default."""
        return self.node.tag == _NULL_TAG or not self.node.value

    def problem(self, sentence: str) -> InvalidSettings:
        """The error that says where this value is and what is wrong with it."""
        return InvalidSettings([f"{self.place}: {self.name} {sentence}"])

    def must_be(self, expected: str) -> InvalidSettings:
        """The error for a value that is something else."""
        return self.problem(f"is {self._shown()}, but must be {expected}.")

    def text(self) -> str:
        """The value's characters, quoted or not.

        :raises InvalidSettings: it is a list or a mapping
        """
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.must_be("one value")
        return str(self.node.value)

    def items(self) -> list[Value]:
        """The values of a list; one plain value counts as a list of one.

        :raises InvalidSettings: it is a mapping
        """
        if isinstance(self.node, yaml.ScalarNode):
            return [self]
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.must_be("a list")
        return [
            Value(f"{self.name}[{number}]", self.source, _line(node), node)
            for number, node in enumerate(self.node.value, start=1)
        ]

    def entries(self) -> list[tuple[str, Value]]:
        """The keys and values of a mapping in the order of the file, a repeated key as often as it is written.

        What a merge key (``<<``) brings in counts only where the mapping itself does not name the key.

        :raises InvalidSettings: it is something else, or a key is not plain text
        """
        if not isinstance(self.node, yaml.MappingNode):
            raise self.must_be("a mapping of keys to values")
        own = [self._entry(*pair) for pair in self.node.value if pair[0].tag != _MERGE_TAG]
        named = {key for key, _ in own}
        merged = dict(self._entry(*pair) for pair in self._merged(len(own)))
        return [(key, value) for key, value in merged.items() if key not in named] + own

    def _entry(self, key: yaml.Node, node: yaml.Node) -> tuple[str, Value]:
        if not isinstance(key, yaml.ScalarNode):
            raise self.problem(f"has a key on line {_line(key)} that is not plain text.")
        text = str(key.value)
        shown = text if text.isprintable() else repr(text)
        name = f"{self.name}.{shown}" if self.name else shown
        return text, Value(name, self.source, _line(key), node)

    def _merged(self, own: int) -> list[tuple[yaml.Node, yaml.Node]]:
        flat = yaml.MappingNode(self.node.tag, list(self.node.value), self.node.start_mark)
        try:
            SafeConstructor().flatten_mapping(flat)
        except yaml.YAMLError as error:
            raise self.problem("has a merge key (<<) that does not name a mapping.") from error
        pairs: list[tuple[yaml.Node, yaml.Node]] = flat.value
        return pairs[: len(pairs) - own]

    def _shown(self) -> str:
        if isinstance(self.node, yaml.ScalarNode):
            text = str(self.node.value)
            return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")
        return "a list" if isinstance(self.node, yaml.SequenceNode) else "a mapping"


def read_document(path: Path) -> Value:
    """The file's outermost value; an empty file counts as an empty mapping.

    :raises InvalidSettings: the file cannot be read, is not UTF-8, or is not YAML
    """
    text = _read_text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InvalidSettings([_syntax_sentence(path, text, error)]) from error
    return Value("", str(path), 0, node or yaml.MappingNode("tag:yaml.org,2002:map", []))


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSettings([f"{path} is not UTF-8 text; save it as UTF-8."]) from error
    except FileNotFoundError as error:
        raise InvalidSettings(
            [f"There is no configuration at {path}; name one with --config FILE or SLURMCONFIGPATH."]
        ) from error
    except OSError as error:
        raise InvalidSettings([f"{path} cannot be read: {error.strerror}."]) from error


def _syntax_sentence(path: Path, text: str, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        return f"{path}:{error.problem_mark.line + 1}: this is not valid YAML: {what}."
    position = getattr(error, "position", 0)
    line = text.count("\n", 0, position) + 1
    return f"{path}:{line}: this is not valid YAML: it holds a character that YAML does not allow."


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
