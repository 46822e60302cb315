"""What a runtime gives the rest of the supervisor."""

import os

from sidecar.runner.system.event_loop import Future, Loop
from sidecar.runner.system.processes import Child

TYPE_CHECKING = False
if TYPE_CHECKING:  # novm
    from typing import Callable, Optional, Protocol

    from sidecar.runner.containers.output import Output

    class Launcher(Protocol):
        """Starts one container, perhaps several times until it begins."""

        def start(self, output: int) -> "Started":
            """Start it, with what it says going to this descriptor."""

        def adapt(self, words: str, say: "Callable[[str], None]") -> bool:
            """Whether these words tell of something that another start can do without, and does from now on."""


class Started:
    """A container on its way to its command."""

    output: "Output"

    def __init__(self, loop: Loop, child: Child, gate: "Optional[tuple[int, int]]") -> None:
        """
        :param gate: the ends at which it arrives, and by which it is let through; ``None``: it begins at once
        """
        self._loop = loop
        self._gate = gate
        self.child = child
        self.waits = gate is not None
        self.has_begun = False
        self.words = ""
        """What the runtime said, if it has not begun."""
        self.code = 0
        """The runtime's code, if it has not begun."""

    async def wait_to_begin(self, must_end: Future) -> bool:
        """Wait until it is at its gate; ``False`` if it ended before, or must end."""
        if self._gate is None:
            self.has_begun = not must_end.is_done
            return self.has_begun
        arrives = self._loop.start(self._loop.readable(self._gate[0]))
        try:
            await self._loop.first_of(arrives, self.child.exited, must_end)
            self.has_begun = arrives.is_done and not must_end.is_done
        finally:
            arrives.cancel()
        return self.has_begun

    def let_begin(self) -> None:
        """Open the gate."""
        if self._gate is not None:
            os.write(self._gate[1], b"\n")

    def forget(self) -> None:
        """It has ended."""
        for descriptor in self._gate or ():
            os.close(descriptor)
        self._gate = None
