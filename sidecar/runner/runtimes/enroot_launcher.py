"""Starting a container under Enroot: its image is unpacked, then it begins at once."""

import os

from sidecar.runner.contract.exit_codes import CANNOT_RUN
from sidecar.runner.node.mounts import Bind
from sidecar.runner.runtimes.base import Started
from sidecar.runner.runtimes.command_line import RuntimeLine
from sidecar.runner.runtimes.enroot import Enroot, StartFiles
from sidecar.runner.system import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Sequence

    from sidecar.runner.job import Job
    from sidecar.runner.runtimes.apptainer_launcher import Recipe

_IMAGE_UMASK = 0o022


class EnrootLauncher:
    """Starts one container, once or again."""

    def __init__(self, job: "Job", recipe: "Recipe", work: str) -> None:
        """
        :param work: a name in the job's folder on the node that nobody else uses
        """
        self._job = job
        self._recipe = recipe
        self._work = work
        self._starts = 0
        self._enroot = Enroot(job.site["runtime_program"], os.path.join(job.private, "enroot"))

    def adapt(self, words: str, say: "Callable[[str], None]") -> bool:
        """There is nothing that it could do without: an unpacked image is the container's own."""
        return False

    def start(self, output: int) -> Started:
        """Start it; it has no gate."""
        self._starts += 1
        name = f"{os.path.basename(self._work)}.{self._starts}"
        folder = f"{self._work}.{self._starts}.work"
        os.mkdir(folder, 0o700)
        os.mkdir(os.path.join(folder, "tmp"))
        os.chmod(os.path.join(folder, "tmp"), 0o1777)  # noqa: S103
        files = StartFiles(os.path.join(folder, "enroot"))
        child = processes.fork(self._job.loop, lambda: self._become(name, folder, files, output))
        return Started(self._job.loop, child, None)

    def _become(self, name: str, folder: str, files: StartFiles, output: int) -> int:
        """In a process of its own: unpack the image, then become the container. Return the code if that fails."""
        for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
            os.dup2(descriptor, number)
        self._enroot.make_folders()
        self._enroot.remove_containers_of(self._recipe.document["name"])
        if not self._unpack(name, os.path.join(folder, "said")):
            return CANNOT_RUN
        files.write(
            root=self._enroot.root_of(name),
            variables={"HOME": self._job.environment.get(b"HOME", b"/").decode(), **self._recipe.variables},
            binds=self._binds(folder),
            has_command=not self._recipe.runs_image,
            working_dir=self._recipe.working_dir,
        )
        call = self._enroot.start_call(
            name,
            files,
            options=self._recipe.document["runtime_options"],
            writable=self._recipe.document["writable"],
            words=self._recipe.words,
        )
        argv, variables = self._line(call, self._job.document["runtime_commands"])
        os.umask(_IMAGE_UMASK)
        return os.execve(argv[0], argv, variables)

    def _unpack(self, name: str, said: str) -> bool:
        """Unpack the image; where that fails, hand on what Enroot said."""
        argv, variables = self._line(self._enroot.create_call(name, self._recipe.image), "")
        pid = os.fork()
        if pid == 0:
            descriptor = os.open(said, os.O_WRONLY | os.O_CREAT, 0o600)
            for number in (1, 2):
                os.dup2(descriptor, number)
            os.execve(argv[0], argv, variables)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            return True
        with open(said, "rb") as file:
            os.write(1, file.read())
        return False

    def _line(self, call: "Sequence[str]", commands: str) -> "tuple[List[str], Dict[bytes, bytes]]":
        argv, variables = RuntimeLine(self._job, commands).call(call, {})
        variables.update((os.fsencode(name), os.fsencode(value)) for name, value in self._enroot.variables().items())
        return argv, variables

    def _binds(self, folder: str) -> "List[Bind]":
        """The container's, over a folder of the node as its ``/tmp``, and the file of its last words."""
        binds = [Bind(os.path.join(folder, "tmp"), "/tmp", False), *self._recipe.binds]  # noqa: S108
        message = self._recipe.document["message_path"]
        if not message.startswith("/dev/"):
            path = f"{self._work}.message"
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            binds.append(Bind(path, message, False))
        return binds
