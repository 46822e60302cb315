"""The environment as the shell text before the supervisor has left it."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

_KEPT_ASIDE = (b"LD_LIBRARY_PATH", b"LD_PRELOAD", b"LD_AUDIT")
"""What the batch script keeps from the supervisor's own Python, and hands over under another name."""


def left_by_shell() -> "Dict[bytes, bytes]":
    """The environment, with what was kept aside in its place."""
    found = dict(os.environb)
    for name in _KEPT_ASIDE:
        value = found.pop(b"SIDECAR_" + name, None)
        if value is not None:
            found[name] = value
    return found
