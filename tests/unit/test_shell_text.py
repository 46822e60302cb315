"""Texts for a shell, from whatever editor."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.domain.shell_text import as_lines, has_foreign_lines, split_words

PIECES = st.sampled_from(["a", "-", "=", " ", "\t", "\n", "\\\n", "\\\r\n", "\\\\", "'", '"', "\\ "])
READ = """eval "words=($1)" 2>&- || exit 9; [[ -z ${words+x} ]] || printf '%s\\0' "${words[@]}" """


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--mem=1G \\\n  --time=5", ["--mem=1G", "--time=5"]),
        ("--mem=1G \\\r\n\t--time=5\r\n", ["--mem=1G", "--time=5"]),
        ("--mem=1\\\n6G", ["--mem=16G"]),
        ("'a\\\nb' \"c\\\nd\"", ["a\\\nb", "cd"]),
        ("a\\\\\nb", ["a\\", "b"]),
        ('--comment="it\'s" -p short', ["--comment=it's", "-p", "short"]),
    ],
)
def test_a_backslash_continues_a_line_as_in_a_shell(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_words_are_those_that_bash_finds(text: str) -> None:
    done = subprocess.run(["bash", "-c", READ, "bash", as_lines(text)], capture_output=True, check=False)
    if done.returncode:
        with pytest.raises(ValueError, match="No "):
            split_words(text)
    else:
        assert split_words(text) == done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u200b", "\ufeff", "\v"])
def test_white_space_that_no_shell_knows_is_named(space: str) -> None:
    with pytest.raises(ValueError, match=rf"\(U\+{ord(space):04X}\), which no shell takes for a space"):
        split_words(f"--mem=1G{space}--time=5")


def test_only_a_script_whose_first_line_ends_so_has_foreign_lines() -> None:
    assert has_foreign_lines("#!/bin/sh\r\ntrue\r\n")
    assert not has_foreign_lines("#!/bin/sh\nprintf 'a\r\n'\n")
