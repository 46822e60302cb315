"""What a container writes, on its way into its log.

Through a pipe, as under a kubelet: with the file itself as its output, a container that writes to ``/dev/stderr``
would open the file anew and cut it off.
"""

import os

from sidecar.runner.logs import LogWriter
from sidecar.runner.system.event_loop import Loop

_BLOCK_BYTES = 65536
_KEPT_BYTES = 16 * 1024
_MAX_HELD_BYTES = 1024 * 1024
_OUTLIVED_SECONDS = 5
"""How long the pipe is read after the container's end, if something that outlived it still holds it."""


class Output:
    """The pipe of one run."""

    def __init__(self, loop: Loop, log: LogWriter) -> None:
        self._loop = loop
        self._log = log
        self.beginning = b""
        """The first of what was written."""
        self._is_held = True
        self._held = b""
        self._reading, self.writing = os.pipe()
        self._copying = loop.start(self._copy())

    def started(self) -> None:
        """The container has the other end."""
        os.close(self.writing)

    def let_through(self) -> None:
        """From now on everything goes into the log, and what was held back so far.

        Until then only the runtime speaks: what it says of a start that is made again in another way is dropped.
        """
        self._is_held = False
        self._log.write(self._held)
        self._held = b""

    async def finish(self) -> None:
        """Wait for its last byte."""
        await self._loop.first_of(self._copying, seconds=_OUTLIVED_SECONDS)
        self._copying.cancel()
        os.close(self._reading)

    async def _copy(self) -> None:
        while True:
            await self._loop.readable(self._reading)  # each time, so that everybody else has a turn, too
            data = os.read(self._reading, _BLOCK_BYTES)
            if not data:
                return
            if self._is_held and len(self._held) < _MAX_HELD_BYTES:
                self._held += data
            else:
                self._log.write(data)
            if len(self.beginning) < _KEPT_BYTES:
                self.beginning += data[: _KEPT_BYTES - len(self.beginning)]
