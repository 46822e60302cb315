"""What the runtime's words mean when a container has not begun."""

from __future__ import annotations

import pytest

from sidecar.runner.containers import start_failures as sf

MOUNT_TIMED_OUT = "FATAL:   container creation failed: squashfuse_ll failed to mount /x in 10s"
NO_PROGRAM = "FATAL:   stat /no/such/program: no such file or directory"


@pytest.mark.parametrize(
    "words", [MOUNT_TIMED_OUT, "", "FATAL: resource temporarily unavailable", "device or resource busy"]
)
def test_a_failure_without_a_lasting_cause_may_pass(words: str) -> None:
    assert sf.may_pass(words)


@pytest.mark.parametrize(
    "words",
    [
        NO_PROGRAM,
        "Error: unknown flag: --nonsense",
        "FATAL: mount /a->/b error: Permission denied",
        'FATAL: exec: "x": executable file not found in $PATH',
    ],
)
def test_a_failure_that_says_why_is_final(words: str) -> None:
    assert not sf.may_pass(words)


def test_only_words_about_the_overlay_are_about_the_overlay() -> None:
    assert sf.is_about_overlay("FATAL: while setting up Overlay session: fuse-overlayfs failed")
    assert not sf.is_about_overlay(MOUNT_TIMED_OUT)


@pytest.mark.parametrize(
    ("code", "end", "ran_for", "expected"),
    [
        (255, f"{NO_PROGRAM}\n", 0.1, True),
        (255, f"said before\n{NO_PROGRAM}\n", 0.1, True),
        (255, "FATAL:   my database\nbye\n", 0.1, False),
        (255, "FATAL: my database\n", 0.1, False),
        (255, "bye\n", 0.1, False),
        (1, f"{NO_PROGRAM}\n", 0.1, False),
        (255, f"{NO_PROGRAM}\n", 60, False),
        (255, "", 0.1, False),
    ],
)
def test_a_command_that_could_not_be_executed_is_told_from_one_that_ended(
    code: int, end: str, ran_for: float, expected: bool
) -> None:
    assert sf.could_not_execute(code, end, ran_for) is expected


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    [
        (["/no/such"], "FATAL: stat /no/such: no such file or directory", "stat /no/such: no such file or directory"),
        (["prog"], "FATAL: no such file or directory", "exec: prog: no such file or directory"),
        ([], "FATAL: it failed", "it failed"),
        (["prog"], "", "exec: prog: the container runtime did not say why"),
    ],
)
def test_the_message_names_the_command_once(command: list[str], words: str, expected: str) -> None:
    assert sf.cannot_run_message(command, words) == expected
