"""Starting processes, finding those below another, and ending them."""

import os

from sidecar.runner.system import libc, signals
from sidecar.runner.system.event_loop import Future, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set

CANNOT_EXECUTE = 126
_CHANGED_SIGNALS = (
    *(signals.SIGTERM, signals.SIGCHLD, signals.SIGHUP, signals.SIGINT, signals.SIGUSR1, signals.SIGUSR2),
    *(signals.SIGPIPE, signals.SIGXFSZ),
)
"""Signals that this program, or Python, treats in a way of its own."""


class Child:
    """A process that this program started."""

    def __init__(self, pid: int, exited: Future) -> None:
        self.pid = pid
        self.exited = exited
        """Comes with the exit code, 128 + n after signal n."""

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, and its number perhaps another's."""
        return self.exited.is_done

    def kill(self) -> None:
        """Kill it with everything below it."""
        if not self.has_ended:
            kill_all([self.pid, *descendants(self.pid)])


def spawn(
    loop: Loop,
    argv: "Sequence[str]",
    environment: "Mapping[bytes, bytes]",
    *,
    output: int,
    error: "Optional[int]" = None,
    stdin: "Optional[int]" = None,
    directory: "Optional[str]" = None,
    umask: "Optional[int]" = None,
) -> Child:
    """Start a program with exactly this environment.

    :param output: descriptor for its standard output, and for its errors unless ``error`` is given
    :param stdin: ``None``: nothing can be read
    """

    def execute() -> int:
        _arrange(
            os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin, output, output if error is None else error
        )
        if directory is not None:
            os.chdir(directory)
        if umask is not None:
            os.umask(umask)
        try:
            os.execve(argv[0], list(argv), environment)
        except OSError as failure:
            os.write(2, f"slurm-sidecar: {argv[0]} cannot be started: {failure.strerror}\n".encode())
            return CANNOT_EXECUTE

    return fork(loop, execute)


def _arrange(stdin: int, output: int, error: int) -> None:
    """Make these the standard descriptors, whatever numbers they have."""
    kept = [os.dup(descriptor) for descriptor in (stdin, output, error)]
    for number, descriptor in enumerate(kept):
        os.dup2(descriptor, number)


def fork(loop: Loop, action: "Callable[[], int]") -> Child:
    """Do something in a process of its own, whose exit code is what the action returns."""
    parent = os.getpid()
    pid = os.fork()
    if pid != 0:
        return Child(pid, loop.child(pid))
    code = CANNOT_EXECUTE
    try:
        signals.wake_by(-1)
        for number in _CHANGED_SIGNALS:
            signals.restore(number)
        libc.die_with_parent()
        if os.getppid() == parent:
            code = action()
    except BaseException as failure:  # nothing may go on in here as if it were the parent
        os.write(2, f"slurm-sidecar: {type(failure).__name__}: {failure}\n".encode())
    os._exit(code)


def which(program: str, path: str) -> str:
    """The file of a program, looked for on a PATH; the name itself where there is none."""
    if "/" in program:
        return program
    for folder in path.split(":"):
        file = os.path.join(folder, program)
        if os.path.isfile(file) and os.access(file, os.X_OK):
            return file
    return program


def send(number: int, pid: int) -> None:
    """Send a signal to a process, if it is there."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_all(pids: "Iterable[int]") -> None:
    """Kill these processes."""
    for pid in pids:
        send(signals.SIGKILL, pid)


def children(pid: int) -> "List[int]":
    """The children of a process, whichever of its threads has made them."""
    found: "List[int]" = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass  # it is gone
    return found


def descendants(pid: int) -> "List[int]":
    """Everything below a process, the nearest first."""
    found: "List[int]" = []
    level = children(pid)
    while level:
        found += level
        level = [child for parent in level for child in children(parent)]
    return found


def session_of_job() -> "List[int]":
    """Processes of this one's session that have lost their parent, and everything below them.

    Not slurmstepd, which belongs to the session as well, and has started this process.
    """
    session, parent = os.getsid(0), os.getppid()
    lost = [
        pid
        for pid, (above, of_session) in _all_processes().items()
        if of_session == session and above in (1, parent) and pid not in (os.getpid(), parent)
    ]
    return [*lost, *(below for pid in lost for below in descendants(pid) if below != os.getpid())]


def _all_processes() -> "Dict[int, tuple[int, int]]":
    """Parent and session of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", errors="surrogateescape") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(name)] = int(fields[1]), int(fields[3])
    return found


async def kill_rest(loop: Loop, *, with_session: bool) -> None:
    """Kill whatever this program's job still runs on this node; processes may fork meanwhile, hence the rounds.

    :param with_session: look also for what lost its parent before this program began
    """
    killed: "Set[int]" = set()
    for _ in range(40):
        left = [*descendants(os.getpid()), *(session_of_job() if with_session else ())]
        if not left:
            return
        kill_all(left)
        killed.update(left)
        await loop.sleep(0.005 if len(killed) == len(left) else 0.05)


def root_of(pid: int) -> str:
    """Which file system, and which part of it, a process sees as its root directory; empty if it is gone."""
    root = ""
    try:
        with open(f"/proc/{pid}/mountinfo", errors="surrogateescape") as file:
            for line in file:
                fields = line.split(" ", 5)
                if fields[4] == "/":
                    root = f"{fields[2]} {fields[3]}"
    except OSError:
        return ""
    return root


def with_other_root(pid: int) -> "Iterator[int]":
    """The processes from this one downwards that have another root directory than we, the nearest first."""
    ours = root_of(os.getpid())
    level = [pid]
    while level:
        for one in level:
            root = root_of(one)
            if root and root != ours:
                yield one
        level = [child for parent in level for child in children(parent)]


def name_of(pid: int) -> str:
    """What the kernel calls a process; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/comm", errors="surrogateescape") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""
