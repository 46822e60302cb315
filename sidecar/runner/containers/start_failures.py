"""What the runtime's words mean when a container has not begun, or has ended at once."""

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Sequence

RUNTIME_FAILED = 255
"""The code of Apptainer's own failures, which a program may use as well."""
_FATAL = "FATAL:   "
"""How the runtime's last line begins, to the last space.

Source: https://github.com/apptainer/apptainer/blob/main/pkg/sylog/sylog.go
"""
RETRY_SECONDS = (1, 2, 4)
"""The waits before a container that could not begin is started again."""
PASSING_ERRORS = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})
"""Of a node that has too many processes or too little room just now."""
_FINAL = (
    "no such file or directory",
    "doesn't exist",
    "does not exist",
    "not found",
    "permission denied",
    "not a directory",
    "is a directory",
    "unknown flag",
    "unknown shorthand",
    "unknown command",
    "invalid",
    "requires",
    "not supported",
    "cannot be started",
)


def may_pass(words: str) -> bool:
    """Whether the same start may well succeed a moment later: nothing in the words says that it never will."""
    text = words.lower()
    return not any(sentence in text for sentence in _FINAL)


def lacks_runtime(words: str) -> bool:
    """Whether the node has no such runtime, as our own words say."""
    return "cannot be started: " in words


def is_about_overlay(words: str) -> bool:
    """Whether it is the writable layer that the node cannot make."""
    return "overlay" in words.lower()


def lacks_directory(words: str) -> bool:
    """Whether the image has not the directory that the container shall start in."""
    return "failed to set working directory" in words


def could_not_execute(code: int, log_end: str, ran_for: float) -> bool:
    """Whether the runtime could not execute the command, rather than the command having ended with this code."""
    lines = log_end.rstrip("\n").rsplit("\n", 1)
    return code == RUNTIME_FAILED and ran_for < 10 and lines[-1].startswith(_FATAL)


def cannot_run_message(command: "Sequence[str]", words: str) -> str:
    """As a kubelet says it, as far as the command is known."""
    reason: "Optional[str]" = words.replace("FATAL:", "").strip() or "the container runtime did not say why"
    return f"exec: {command[0]}: {reason}" if command and command[0] not in words else str(reason)
