"""Signals, by the C module behind ``signal``: to import that one, with its enums, takes 4 ms of each job."""

import _signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:  # novm
    from typing import Callable

SIGHUP, SIGINT, SIGKILL, SIGTERM = (
    int(_signal.SIGHUP),
    int(_signal.SIGINT),
    int(_signal.SIGKILL),
    int(_signal.SIGTERM),
)
SIGUSR1, SIGUSR2, SIGCHLD = (int(_signal.SIGUSR1), int(_signal.SIGUSR2), int(_signal.SIGCHLD))
SIGPIPE, SIGXFSZ = (int(_signal.SIGPIPE), int(_signal.SIGXFSZ))


def number_of(name: str) -> int:
    """A signal by its name without ``SIG``; TERM for one that this machine does not have."""
    return int(getattr(_signal, f"SIG{name}", SIGTERM))


def handle(number: int, handler: "Callable[[int, object], None]") -> None:
    """Call this when the signal comes."""
    _signal.signal(number, handler)


def restore(number: int) -> None:
    """Let the signal do what it does to any program."""
    _signal.signal(number, _signal.SIG_DFL)


def wake_by(descriptor: int) -> None:
    """Write a byte there for each signal that is handled; -1: nowhere."""
    _signal.set_wakeup_fd(descriptor)
