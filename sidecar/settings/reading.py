"""How a written value becomes a Python value, with every problem remembered instead of stopping at the first."""

from __future__ import annotations

import difflib
import pwd
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sidecar.errors import InvalidSettings
from sidecar.settings.document import Value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>\w+)(?::-(?P<fallback>[^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A sort of value: what a reader of the documentation is told, and how it is read."""

    name: str
    parse: Callable[[Value, Reader], T]
    unset: T
    """Stands for an empty value without a default, and for one with a problem until all problems are reported."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a mapping in the configuration, or one environment variable."""

    key: str
    """Empty: there is only the environment variable."""
    kind: Kind[Any]
    meaning: str
    default: str = ""
    """As one would write it in the file; empty: nothing is set."""
    root_default: str = ""
    """The default of a daemon that runs as root, where it differs."""
    environment: str = ""
    """The variable that wins over the file."""

    @property
    def name(self) -> str:
        """What a problem calls it."""
        return self.key or self.environment


def key(name: str, kind: Kind[Any], meaning: str, default: str = "", **more: str) -> Mapping[str, Setting]:
    """The metadata of a dataclass field that is a key of the file, and perhaps a variable too."""
    return {"setting": Setting(name, kind, meaning, default, **more)}


def variable(name: str, kind: Kind[Any], meaning: str, default: str = "") -> Mapping[str, Setting]:
    """The metadata of a dataclass field that only the environment sets."""
    return {"setting": Setting("", kind, meaning, default, environment=name)}


def settings_of(cls: type[DataclassInstance]) -> dict[str, Setting]:
    """A dataclass's settings by field name."""
    return {f.name: f.metadata["setting"] for f in fields(cls) if "setting" in f.metadata}


@dataclass(slots=True)
class Reader:
    """Reads values for one user in one environment."""

    environ: Mapping[str, str]
    uid: int
    problems: list[str] = field(default_factory=list)

    @property
    def home(self) -> str:
        """The daemon's home directory.

        :raises InvalidSettings: nobody knows it
        """
        try:
            return self.environ.get("HOME") or pwd.getpwuid(self.uid).pw_dir
        except KeyError as error:
            raise InvalidSettings(
                [f"HOME is not set and user {self.uid} is not in the password database; set HOME."]
            ) from error

    def table(self, entries: Mapping[str, Value], settings: Sequence[Setting]) -> dict[str, Any]:
        """Every setting's value by its name; problems come in the order of the file."""
        order = {key: number for number, key in enumerate(entries)}
        by_line = sorted(settings, key=lambda setting: order.get(setting.key, len(order)))
        return {setting.name: self._setting(setting, entries) for setting in by_line}

    def known(self, entries: Sequence[tuple[str, Value]], names: Sequence[str]) -> dict[str, Value]:
        """The entries by key, without the unknown and the repeated ones, which become problems."""
        known: dict[str, Value] = {}
        for key, value in entries:
            if key in known:
                self.note(value.problem(f"is already set on line {known[key].line}; keep one of the two."))
            elif key in names:
                known[key] = value
            else:
                self.note(value.problem(f"is not a setting{_suggestion(key, names)}"))
        return known

    def note(self, error: InvalidSettings) -> None:
        """Remember what is wrong and go on."""
        self.problems += error.problems

    def read(self, kind: Kind[T], value: Value) -> T:
        """The value, or the kind's ``unset`` where it is empty or has a problem."""
        if value.is_empty:
            return kind.unset
        try:
            return kind.parse(value, self)
        except InvalidSettings as error:
            self.note(error)
            return kind.unset

    def expanded(self, value: Value) -> str:
        """The value's text with ``$VAR``, ``${VAR}``, ``${VAR:-fallback}`` and a leading ``~`` replaced.

        :raises InvalidSettings: a variable is not set, or another user's home is asked for
        """
        text = _VARIABLE.sub(lambda match: self._variable(match, value), value.text().strip())
        if text == "~" or text.startswith("~/"):
            return self.home + text[1:]
        if text.startswith("~"):
            raise value.problem(f"begins with {text.split('/')[0]!r}; write that home directory out.")
        return text

    def _variable(self, match: re.Match[str], value: Value) -> str:
        name = match["plain"] or match["braced"]
        found = self.environ.get(name) or match["fallback"]
        if not found:
            raise value.problem(f"uses ${name}, which is not set in the daemon's environment.")
        return found

    def _setting(self, setting: Setting, entries: Mapping[str, Value]) -> Any:
        return self.read(setting.kind, self._effective(setting, entries.get(setting.key)))

    def _effective(self, setting: Setting, written: Value | None) -> Value:
        """The environment's value, else the file's, else the default."""
        if override := self.environ.get(setting.environment):
            return Value.of_text(setting.environment, "environment", override)
        if written and not written.is_empty:
            return written
        default = setting.root_default if self.uid == 0 and setting.root_default else setting.default
        return Value.of_text(setting.name, "default", default)


def _suggestion(key: str, names: Sequence[str]) -> str:
    """The end of the sentence about an unknown key: the name that was probably meant, or the names there are."""
    by_lower_case = {name.lower(): name for name in names}
    close = difflib.get_close_matches(key.lower(), by_lower_case, n=1, cutoff=0.75)
    if close:
        return f"; did you mean {by_lower_case[close[0]]}?"
    return ": remove it, or see docs/configuration.md for the names there are."
