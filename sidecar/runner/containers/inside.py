"""A running container as seen from the node: its own process, and doing something as one of its processes."""

import os

from sidecar.runner.contract.facts import MAX_CHECK_BYTES
from sidecar.runner.probes.outcomes import Outcome, no_answer
from sidecar.runner.system import namespaces, processes, signals
from sidecar.runner.system.event_loop import Loop, exit_code
from sidecar.runner.system.processes import Child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence

_OF_RUNTIME = ("starter", "appinit", "sinit")
"""Apptainer's and Singularity's own processes, by the beginning of their names."""


class Inside:
    """What is inside of a runtime's process."""

    def __init__(self, loop: Loop, runtime: Child) -> None:
        self._loop = loop
        self._runtime = runtime
        self._was_seen = False

    def first(self) -> "Optional[int]":
        """The first process that sees another root directory than we; perhaps still the runtime's own."""
        found = next(processes.with_other_root(self._runtime.pid), None)
        self._was_seen = self._was_seen or found is not None
        return found

    def is_there(self) -> bool:
        """Whether the container has not ended, as far as can be seen; it may still be on its way to its program."""
        if self._runtime.has_ended:
            return False
        return self.first() is not None or not self._was_seen

    def program(self) -> "Optional[int]":
        """The container's own process, once the runtime has handed over to it."""
        first = self.first()
        if first is None or not processes.name_of(first).startswith(_OF_RUNTIME):
            return first
        below = processes.children(first)
        if not below or processes.name_of(below[0]).startswith("starter"):
            return None
        return below[0]

    async def wait_for_program(self) -> "Optional[int]":
        """The container's own process; ``None`` if it ended before, or does not come within two seconds."""
        for milliseconds in (1, 2, 5, 10, 20, 50, 100, 200, 400, 600, 600):
            program = self.program()
            if program is not None or self._runtime.has_ended:
                return program
            await self._loop.first_of(self._runtime.exited, seconds=milliseconds / 1000)
        return None

    def signal(self, name: str) -> bool:
        """Send a signal to the container's own process; ``False`` where it cannot be seen."""
        program = self.program()
        if program is None:
            return False
        processes.send(signals.number_of(name), program)
        return True

    async def run(self, command: "Sequence[str]", seconds: "Optional[float]") -> Outcome:
        """Run a command as one of the container's processes, with the environment that its own began with.

        :param seconds: how long it may take; ``None`` or 0: for ever
        """
        program = await self.wait_for_program()
        if program is None:
            return Outcome(False, "the container has ended")
        reading, writing = os.pipe()
        try:
            child = processes.fork(self._loop, lambda: _run_inside(command, program, self.first() or program, writing))
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        said = _Said(self._loop, reading)
        try:
            ended = await self._loop.first_of(child.exited, seconds=seconds or None)
            child.kill()
            await self._loop.first_of(said.finished, seconds=1)
            if ended is None:
                return Outcome(False, f"{said.words}\n{no_answer(seconds or 0)}")
            return Outcome(child.exited.value == 0, said.words)
        finally:
            child.kill()
            said.finished.cancel()
            os.close(reading)


def _run_inside(command: "Sequence[str]", program: int, directory_of: int, output: int) -> int:
    """In a process of its own: join, then fork, because only what is forked is in the other's process namespace."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.umask(0o022)
    try:
        environment = namespaces.environment_of(program)
        namespaces.join(program, directory_of)
    except OSError as error:
        os.write(2, f"the container cannot be entered: {error.strerror}\n".encode())
        return processes.CANNOT_EXECUTE
    pid = os.fork()
    if pid == 0:
        try:
            namespaces.execute(command, environment)
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)
    _, status = os.waitpid(pid, 0)
    return exit_code(status)


class _Said:
    """The beginning of what a command says; the rest is read, so that it need not wait, and dropped."""

    def __init__(self, loop: Loop, descriptor: int) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._data = b""
        self.finished = loop.start(self._collect())

    @property
    def words(self) -> str:
        """As far as they have come."""
        return self._data.decode("utf-8", "replace").strip()

    async def _collect(self) -> None:
        while True:
            await self._loop.readable(self._descriptor)
            data = os.read(self._descriptor, 65536)
            if not data:
                return
            self._data = (self._data + data)[:MAX_CHECK_BYTES]


def descriptor_of(pid: int, place: str) -> "Optional[int]":
    """Another descriptor for a file that a process has open, by how its name ends; for reading."""
    found: "List[str]" = []
    try:
        found = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return None
    for number in found:
        link = f"/proc/{pid}/fd/{number}"
        try:
            if os.readlink(link).endswith(place):
                return os.open(link, os.O_RDONLY)
        except OSError:
            continue
    return None
