"""One pull of an image into the cache. All of it blocks: it runs in a process of its own.

There is one pull for all who ask at the same time. Whose pull began after we asked did it for us, well or not.
"""

import fcntl
import os
import time

from sidecar.runner.contract.exit_codes import KILLED, TRY_LATER
from sidecar.runner.node import mksquashfs, runtime_messages
from sidecar.runner.system import files, libc, processes
from sidecar.runner.system.event_loop import exit_code
from sidecar.runner.system.memory_limit import memory_limit

TYPE_CHECKING = False
if TYPE_CHECKING:  # novm
    from typing import Dict, List, Mapping, NoReturn, Protocol, Tuple

    from sidecar.runner.node.image_cache import ImageCache

    class PullRuntime(Protocol):
        """What a pull needs of a container runtime."""

        def pull_call(self, image: str, file: str, cache: str, login_file: str) -> "Tuple[List[str], Dict[str, str]]":
            """The call that fetches an image into one file, and what is set in its environment.

            :param cache: a folder that is the runtime's own for this image
            :param login_file: with the registry's login; empty: none
            """

        def settle(self, cache: str, file: str) -> None:
            """After a pull: remove from the runtime's cache what is of no more use.

            :raises OSError: something cannot be removed
            """


_LOG_BYTES = 256 * 1024
"""Of what a failed pull said, so much is looked at."""
_STANDARD_OUTPUT = 1


class Shell:
    """How the site wants its runtime to be called."""

    def __init__(self, bash: str, prefix: str, environment: "Mapping[bytes, bytes]") -> None:
        self._bash = bash
        self._prefix = prefix
        self.environment = environment

    def call(self, argv: "List[str]") -> "List[str]":
        """The call with the site's shell text before it, if there is any."""
        if self._prefix:
            argv = [self._bash, "-c", self._prefix + ' "$@"', "bash", *argv]
        path = os.fsdecode(self.environment.get(b"PATH", os.fsencode(os.defpath)))
        return [processes.which(argv[0], path), *argv[1:]]


class Wanted:
    """What is to be fetched, and for whom."""

    def __init__(self, *, image: str, key: str, namespace: str, container: str, only_if_absent: bool) -> None:
        self.image = image
        self.key = key
        self.namespace = namespace
        """Whose the image is, where a login is needed."""
        self.container = container
        self.only_if_absent = only_if_absent


class Pull:
    """The work of one process; what it says goes to its standard output."""

    def __init__(
        self, cache: "ImageCache", runtime: "PullRuntime", shell: Shell, wanted: Wanted, login_file: str
    ) -> None:
        self._files = cache.files(wanted.key)
        self._part = self._files.part(cache.job, wanted.container)
        self._runtime = runtime
        self._shell = shell
        self._wanted = wanted
        self._login_file = login_file

    def run(self) -> int:
        """Have the image in the cache; 0, or why not: 1, or ``TRY_LATER``."""
        os.umask(0o077)
        try:
            return self._run()
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            _say(f"ERROR: the image cannot be stored: {error.strerror}{where}\n".encode("utf-8", "replace"))
            return 1

    def _run(self) -> int:
        files.remove(self._part)
        os.mkdir(self._part, 0o700)
        files.touch(self._path("asked"))
        lock = os.open(self._files.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._locked()
        finally:
            os.close(lock)

    def _locked(self) -> int:
        if self._is_there():
            files.remove(self._part)
            return 0
        if files.is_newer(self._files.failed, self._path("asked")):
            said = files.tail(self._files.failed, _LOG_BYTES)
            _say(said)
            files.remove(self._part)
        else:
            code, said = self._pull()
            if code == 0:
                return 0
        return TRY_LATER if runtime_messages.is_transient(said) else 1

    def _is_there(self) -> bool:
        if not files.is_own_and_filled(self._files.image):
            return False
        return self._wanted.only_if_absent or files.is_newer(self._files.about, self._path("asked"))

    def _path(self, name: str) -> str:
        return os.path.join(self._part, name)

    def _pull(self) -> "Tuple[int, bytes]":
        """Renames keep half files out of sight. What stays behind is as old as the beginning of the pull."""
        files.touch(self._path("began"))
        code = self._call_runtime()
        said = files.tail(self._path("log"), _LOG_BYTES)
        if code == 0:
            self._keep_image()
        elif self._was_killed(code, said):
            # Of no meaning to those who wait: their jobs may have more memory.
            _say(self._advice())
        else:
            self._leave_behind(self._path("log"), self._files.failed)
        files.remove(self._part)
        return code, said

    def _keep_image(self) -> None:
        self._settle()
        about = f"image={self._wanted.image}\nnamespace={self._wanted.namespace}\nfetched={int(time.time())}\n"
        with open(self._path("about"), "wb") as file:
            file.write(about.encode("utf-8", "surrogateescape"))
        os.rename(self._path("image"), self._files.image)  # nothing happens where both are one file
        self._leave_behind(self._path("about"), self._files.about)

    def _settle(self) -> None:
        try:
            self._runtime.settle(self._files.runtime_cache, self._path("image"))
        except OSError:
            pass  # the cache takes more room than it needs to; the image is there

    def _leave_behind(self, path: str, name: str) -> None:
        began = os.stat(self._path("began"))
        os.utime(path, ns=(began.st_atime_ns, began.st_mtime_ns))
        files.remove(self._files.failed)
        os.rename(path, name)

    @staticmethod
    def _was_killed(code: int, said: bytes) -> bool:
        return code == KILLED or runtime_messages.tells_of_memory(said)

    def _advice(self) -> bytes:
        advice = runtime_messages.memory_advice(self._wanted.image, memory_limit())
        return f"{advice}\n".encode("utf-8", "replace")

    def _call_runtime(self) -> int:
        argv, more = self._runtime.pull_call(
            self._wanted.image, self._path("image"), self._files.runtime_cache, self._login_file
        )
        environment = dict(self._shell.environment)
        environment.update({os.fsencode(name): os.fsencode(value) for name, value in more.items()})
        memory = memory_limit()
        if memory is not None:
            environment.update(mksquashfs.limited(self._path("bin"), environment, memory))
        code = _run_and_copy(self._shell.call(argv), environment, self._path("log"))
        if code == 0 and not os.path.isfile(self._path("image")):
            _say(b"ERROR: the runtime said nothing of a failure, but left no image\n")
            return 1
        return code


def _run_and_copy(argv: "List[str]", environment: "Mapping[bytes, bytes]", log: str) -> int:
    """The exit code of a program that this process waits for; its output is ours, and is copied to a file."""
    ours, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(argv, environment, its)
    os.close(its)
    with open(log, "wb", buffering=0) as copy:
        data = os.read(ours, 65536)
        while data:
            _say(data)
            files.write_all(copy.fileno(), data)
            data = os.read(ours, 65536)
    os.close(ours)
    return exit_code(os.waitpid(pid, 0)[1])


def _become(argv: "List[str]", environment: "Mapping[bytes, bytes]", output: int) -> "NoReturn":
    try:
        libc.die_with_parent()
        for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
            os.dup2(descriptor, number)
        os.execve(argv[0], argv, environment)
    except OSError as error:
        _say(f"ERROR: {argv[0]} cannot be started: {error.strerror}\n".encode("utf-8", "replace"))
    finally:
        os._exit(processes.CANNOT_EXECUTE)


def _say(data: bytes) -> None:
    files.write_all(_STANDARD_OUTPUT, data)
