"""Starting a container under Apptainer, so that it begins as under a kubelet."""

import os

from sidecar.runner.containers import environment, start_failures
from sidecar.runner.containers.gate import Gate
from sidecar.runner.runtimes import apptainer
from sidecar.runner.runtimes.base import Started
from sidecar.runner.runtimes.command_line import RuntimeLine
from sidecar.runner.system import processes
from sidecar.runner.system.folders import make_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional

    from sidecar.runner.contract.pod_document import ContainerDocument
    from sidecar.runner.job import Job
    from sidecar.runner.node.image_config import ImageConfig
    from sidecar.runner.node.mounts import Bind


class Recipe:
    """What a container is made of; see :mod:`sidecar.runner.pod` for where it comes from."""

    def __init__(
        self,
        document: "ContainerDocument",
        *,
        image: str,
        config: "Optional[ImageConfig]",
        words: "List[str]",
        variables: "Dict[str, str]",
        defaults: "Dict[str, str]",
        binds: "List[Bind]",
        working_dir: str,
        hostname: str,
    ) -> None:
        """
        :param config: the image's own; ``None`` where it has none, and its scripts decide
        :param words: command and arguments, or arguments alone where the image decides what is started
        :param defaults: variables that the image may overrule
        """
        self.document = document
        self.image = image
        self.config = config
        self.words = words
        self.variables = variables
        self.defaults = defaults
        self.binds = binds
        self.working_dir = working_dir
        self.hostname = hostname

    @property
    def runs_image(self) -> bool:
        """Whether the image's own script decides what is started."""
        return self.config is None and not self.document["command"]


class ApptainerLauncher:
    """Starts one container, once or again."""

    def __init__(self, job: "Job", recipe: Recipe, work: str) -> None:
        """
        :param work: a name in the job's folder on the node that nobody else uses
        """
        self._job = job
        self._recipe = recipe
        self._work = work
        self._starts = 0
        self._is_writable = recipe.document["writable"]
        self._makes_directory = False

    def adapt(self, words: str, say: "Callable[[str], None]") -> bool:
        """Do without what this node cannot do, or make what the image lacks."""
        if self._is_writable and start_failures.is_about_overlay(words):
            say(f"node {self._job.node} cannot make the image writable; it is started read-only")
            self._is_writable = False
            return True
        if not self._makes_directory and start_failures.lacks_directory(words):
            self._makes_directory = True
            return True
        return False

    def start(self, output: int) -> Started:
        """Start it; it waits at its gate."""
        self._starts += 1
        gate = self._gate()
        line = RuntimeLine(self._job, self._job.document["runtime_commands"])
        _, plain = environment.split(self._recipe.variables)
        argv, variables = line.call(self._call(gate), plain)
        ends = gate.listen()
        try:
            child = processes.spawn(self._job.loop, argv, variables, output=output, umask=0o022)
        except OSError:
            for end in ends:
                os.close(end)
            raise
        return Started(self._job.loop, child, ends)

    def _place(self, kind: str) -> str:
        return f"{self._work}.{self._starts}.{kind}"

    def _gate(self) -> Gate:
        recipe = self._recipe
        gate = Gate(self._place("gate"), replaces_image=recipe.config is not None)
        message = recipe.document["message_path"]
        gate.make(
            environment.split(recipe.variables)[0],
            environment.split(recipe.defaults)[0],
            runs_image=recipe.runs_image,
            waits=True,
            words=message if message.startswith("/dev/") else os.devnull,
        )
        return gate

    def _call(self, gate: Gate) -> "List[str]":
        recipe = self._recipe
        work = self._place("work")
        os.mkdir(work, 0o700)
        return apptainer.start_call(
            self._job.site["runtime_program"],
            image=recipe.image,
            binds=self._bind_options(gate),
            options=self._options(),
            work=work,
            home=self._home(),
            hostname=recipe.hostname,
            overlay=self._overlay() if self._is_writable else "",
            working_dir=recipe.working_dir,
            runs_image=recipe.runs_image,
            words=recipe.words,
        )

    def _options(self) -> "List[str]":
        """Only a container in a user namespace of ours can be joined, which probes and hooks may need."""
        document = self._recipe.document
        probes = (document["startup"], document["liveness"], document["readiness"])
        actions = [document["post_start"], document["pre_stop"], *(probe["action"] for probe in probes if probe)]
        joins = any(action and action["kind"] == "exec" for action in actions)
        return [*document["runtime_options"], *([apptainer.JOINABLE] if joins else [])]

    def _home(self) -> str:
        """Where the pod sets HOME, the container finds a folder there. The runtime takes only paths without a colon."""
        is_set = any(name == "HOME" for name, _ in self._recipe.document["env"])
        home = self._recipe.variables["HOME"] if is_set else ""
        return home if home.startswith("/") and ":" not in home else ""

    def _overlay(self) -> str:
        """A fresh layer over the image. Folders that programs expect to be able to write are the container's own in it:
        they show what the image has in them, and belong to the job's user.
        """
        overlay = self._place("root")
        folders = ["run"]
        home = self._recipe.variables.get("HOME", "")
        if home.startswith("/home/") and ".." not in home:
            folders.append(home[1:])
        for folder in folders:
            make_below(os.path.join(overlay, "upper", folder))
        os.mkdir(os.path.join(overlay, "work"), 0o700)
        return overlay

    def _bind_options(self, gate: Gate) -> "List[str]":
        wanted = [(bind.source, bind.destination, bind.read_only) for bind in self._recipe.binds]
        if self._makes_directory:
            empty = self._place("directory")
            os.mkdir(empty, 0o755)
            wanted.insert(0, (empty, self._recipe.working_dir, False))
        message = self._recipe.document["message_path"]
        if not message.startswith("/dev/"):
            wanted.append((self._message_file(), message, False))
        options: "List[str]" = []
        for number, (source, destination, read_only) in enumerate([*wanted, *gate.binds()]):
            alias = f"{self._place('bind')}.{number}"
            options += apptainer.bind(source, destination, read_only=read_only, alias=alias)
        return options

    def _message_file(self) -> str:
        path = self._work + ".message"
        with open(path, "wb"):
            return path
