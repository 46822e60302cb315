"""Text for a shell, and words as a shell splits them, whatever editor has written them."""

from __future__ import annotations

import re
import shlex
import unicodedata

_SPECIAL = re.compile(r"""'[^']*'|"(?:[^"\\]|\\[\s\S])*"|\\[\s\S]""")
"""What a shell reads as a whole: quoted text, or a backslash with what it escapes."""
_ESCAPED = re.compile(r"\\[\s\S]")
_SEPARATORS = " \t\r\n"


def as_lines(text: str) -> str:
    """The text with the ends of lines that a shell, and sbatch, can read."""
    return text.replace("\r\n", "\n")


def has_foreign_lines(script: str) -> bool:
    """Whether the first line ends with CR LF, so that no interpreter of that name could be found."""
    return script.partition("\n")[0].endswith("\r")


def split_words(text: str) -> list[str]:
    """Split text into words as a shell does; a backslash at a line's end continues it.

    :raises ValueError: a quotation does not end, or there is white space that no shell takes for it
    """
    if odd := next((character for character in text if _is_odd_space(character)), ""):
        name = unicodedata.name(odd, "a control character")
        raise ValueError(f"it holds {name} (U+{ord(odd):04X}), which no shell takes for a space; write a plain one")
    return shlex.split(_SPECIAL.sub(_continued, as_lines(text)))


def _continued(match: re.Match[str]) -> str:
    special = match[0]
    if special.startswith("'"):
        return special
    return _ESCAPED.sub(lambda escaped: "" if escaped[0] == "\\\n" else escaped[0], special)


def _is_odd_space(character: str) -> bool:
    return character not in _SEPARATORS and (character.isspace() or unicodedata.category(character) == "Cf")
