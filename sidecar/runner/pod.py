"""The pod: init containers one after another, then the main containers side by side, then the end of the sidecars."""

from sidecar.runner.containers import environment
from sidecar.runner.containers.container import Container
from sidecar.runner.containers.environment import of_runtime
from sidecar.runner.contract.exit_codes import TERMINATED
from sidecar.runner.contract.pod_document import with_node_facts
from sidecar.runner.node import addresses, devices, hostnames, image_config, network
from sidecar.runner.node.images import ImageStore
from sidecar.runner.node.mounts import Bind, Mounts
from sidecar.runner.runtimes.apptainer_launcher import ApptainerLauncher, Recipe
from sidecar.runner.runtimes.choice import pull_runtime
from sidecar.runner.system.event_loop import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from sidecar.runner.contract.pod_document import ContainerDocument
    from sidecar.runner.job import Job
    from sidecar.runner.node.image_config import ImageConfig
    from sidecar.runner.runtimes.base import Launcher

_LEAST_SIDECAR_SECONDS = 2.0
"""What a native sidecar has for its end when the grace period is used up.

Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#sidecar-containers-and-pod-lifecycle
"""


class Pod:
    """Runs the containers in their order."""

    def __init__(self, parts: "Parts") -> None:
        self._job = parts.job
        self._loop = parts.job.loop
        self._containers = [Container(parts, document) for document in parts.job.document["containers"]]
        self._told: "List[Container]" = []
        """Those that are asked to end when the job is; sidecars come after them."""
        self._sidecars: "List[tuple[Container, Task]]" = []

    async def run(self) -> int:
        """The job's code: that of the first container that failed."""
        for asked in (self._job.stopping, self._job.expired):
            asked.when_done(lambda _: self._end_told())
        code = await self._run_init()
        if code == 0:
            code = await self._run_mains()
        await self._end_sidecars()
        return TERMINATED if self._job.expired.is_done and code == 0 else code

    def _end_told(self) -> None:
        seconds = self._job.grace_seconds()
        for container in self._told:
            container.end(seconds)

    def _of_role(self, *roles: str) -> "List[Container]":
        return [container for container in self._containers if container.document["role"] in roles]

    async def _run_init(self) -> int:
        """An init container that has succeeded is done. A native sidecar is no hindrance once it has started."""
        for container in self._of_role("init", "sidecar"):
            if self._job.must_end:
                return TERMINATED
            self._told = [container]
            task = self._loop.start(container.supervise())
            if container.document["role"] == "sidecar":
                self._sidecars.insert(0, (container, task))
                await self._loop.first_of(container.has_started, task)
                code = 0 if container.has_started.is_done else await task or TERMINATED
            else:
                code = await task
            if code != 0:
                return int(code)
        return 0

    async def _run_mains(self) -> int:
        mains = self._of_role("main")
        self._told = mains
        if self._job.must_end:
            return TERMINATED
        tasks = [self._loop.start(container.supervise()) for container in mains]
        codes = [await task for task in tasks]
        return next((code for code in codes if code != 0), 0)

    async def _end_sidecars(self) -> None:
        """The last one first; how they end is of no consequence, nor is what else comes to pass meanwhile.

        They have what is left of the grace period of a job that was asked to stop, else one of their own.
        """
        self._told = []
        self._job.forget_deadline()
        self._job.begin_grace()
        grace = self._job.grace_seconds()
        for container, task in self._sidecars:
            left = grace - (self._loop.now() - (self._job.grace_began or 0.0))
            container.end(max(left, min(grace, _LEAST_SIDECAR_SECONDS)))
            await task


class Parts:
    """What containers are made with."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        self.images = ImageStore(
            job.loop,
            job.site,
            job.id,
            job.files,
            job.private,
            node=job.node,
            environment=of_runtime(job.environment, job.site["tsocks_library"]),
        )
        self._is_enroot = job.site["runtime"] == "enroot"
        self.pulls = pull_runtime(job.site["runtime"], job.site["runtime_program"], job.private)
        self._facts = addresses.node_facts(job.document["pod_ip"], job.variables)
        self.mounts = Mounts(job.files, job.files_root, job.document, self._facts)
        self._names = hostnames.Hostnames(job.document, job.private, self._facts)

    def prepare(self) -> None:
        """Make what the containers share.

        :raises OSError: it cannot be made
        """
        self.mounts.make_empty_dirs()
        self._names.write()

    def binds_of(self, document: "ContainerDocument") -> "List[Bind]":
        """What one container sees of the node.

        :raises CannotMount: with the reason
        """
        own = self._names.binds_of(document)
        own += network.binds_of(self.job.document, self.job.private, self.job.variables)
        return self.mounts.binds_of(document, own)

    def runtime_for(self, document: "ContainerDocument", image: str, binds: "List[Bind]", work: str) -> "Launcher":
        """What starts a container.

        :raises NoCommand: neither the pod nor the image says which program
        """
        config = image_config.read(image)
        words = [self._on_node(word) for word in image_config.command_of(document, config)]
        if config is not None and not words:
            raise image_config.NoCommand("no command specified: neither the pod nor the image has one")
        recipe = Recipe(
            document,
            image=image,
            config=config,
            words=words,
            variables=self._variables(document, config),
            defaults=self._defaults(document),
            binds=binds,
            working_dir=document["working_dir"] or (config.working_dir or "/" if config else ""),
            hostname=self._names.hostname,
        )
        if self._is_enroot:
            from sidecar.runner.runtimes.enroot_launcher import EnrootLauncher

            return EnrootLauncher(self.job, recipe, work)
        if self.job.document["mpi"] is not None and document["role"] == "main":
            from sidecar.runner.runtimes.mpi_launcher import MpiLauncher

            return MpiLauncher(self.job, recipe)
        return ApptainerLauncher(self.job, recipe, work)

    def _defaults(self, document: "ContainerDocument") -> "Dict[str, str]":
        """What holds where the image itself says nothing; an image without scripts of its own has not even a PATH."""
        inherited = environment.inherited(self.job.environment, document["runtime_options"])
        return {"PATH": environment.DEFAULT_PATH, **inherited}

    def _on_node(self, text: str) -> str:
        return with_node_facts(text, self._facts)

    def _variables(self, document: "ContainerDocument", config: "Optional[ImageConfig]") -> "Dict[str, str]":
        """The later ones win: the image's, what the node tells, the pod's own."""
        wanted = dict(image_config.environment_of(config, []))
        if config is not None:
            wanted.setdefault("PATH", environment.DEFAULT_PATH)
        wanted.update(environment.injected(self.job.variables))
        wanted.update(self._names.variables())
        wanted.update(network.variables_of(self.job.document, self.job.variables))
        wanted.update(devices.variables_of(document["gpus"], self.job.variables))
        wanted.update((name, self._on_node(value)) for name, value in document["env"])
        environment.with_libraries(wanted, document["runtime_options"], image_sets_them=config is None)
        return wanted
