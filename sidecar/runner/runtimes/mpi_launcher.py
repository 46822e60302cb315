"""Starting a container under mpiexec: a container a rank, each with a gate of its own through which it goes at once."""

import os
import sys

from sidecar.runner import mpi
from sidecar.runner.containers import environment
from sidecar.runner.containers.gate import Gate
from sidecar.runner.runtimes import apptainer
from sidecar.runner.runtimes.base import Started
from sidecar.runner.runtimes.command_line import RuntimeLine
from sidecar.runner.system import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List

    from sidecar.runner.job import Job
    from sidecar.runner.runtimes.apptainer_launcher import Recipe

_GATE, _WORK = "gate", "work"


def supervisor_call() -> "List[str]":
    """The argument vector that starts this program, also on the job's other nodes."""
    return [sys.executable, "-I", "-S", os.path.abspath(sys.argv[0])]


def prepare_rank(folder: str, values: "Dict[str, str]", gate: "Dict[str, Any]") -> None:
    """Make what a rank's container needs on its node.

    :raises OSError: it cannot be made
    """
    os.mkdir(os.path.join(folder, _WORK), 0o700)
    made = Gate(os.path.join(folder, _GATE), replaces_image=gate["replaces_image"])
    defaults = environment.split(gate["defaults"])[0]
    made.make(environment.split(values)[0], defaults, runs_image=gate["runs_image"], waits=False)


class MpiLauncher:
    """Starts one container's ranks. Ranks cannot write to their image, and tell nothing of their last words."""

    def __init__(self, job: "Job", recipe: "Recipe") -> None:
        self._job = job
        self._recipe = recipe

    def adapt(self, words: str, say: "Callable[[str], None]") -> bool:
        """Nothing can be left out."""
        return False

    def start(self, output: int) -> Started:
        """Start mpiexec."""
        job, recipe = self._job, self._recipe
        # In the pod's directory, which all nodes see.
        path = job.files.path(f"ranks-{recipe.document['name']}.json")
        _, plain = environment.split(recipe.variables)
        runtime = environment.of_runtime(job.environment, job.site["tsocks_library"])
        variables = {os.fsdecode(name): os.fsdecode(value) for name, value in runtime.items()}
        gate = {
            "replaces_image": recipe.config is not None,
            "runs_image": recipe.runs_image,
            "defaults": recipe.defaults,
        }
        mpi.write_call(path, self._call(), {**variables, **plain}, recipe.variables, gate, job.private)
        words = mpi.mpiexec_call(job.document["mpi"] or (), job.variables, supervisor_call(), path)
        # Ranks that a step of Slurm starts share the job's cores with the steps of other containers.
        argv, given = RuntimeLine(job, job.document["runtime_commands"]).call(words, {"SLURM_OVERLAP": "1"})
        given.update((name, value) for name, value in job.environment.items() if name == b"SLURM_OVERLAP")
        child = processes.spawn(job.loop, argv, given, output=output, umask=0o022)
        return Started(job.loop, child, None)

    def _call(self) -> "List[str]":
        recipe = self._recipe
        options: "List[str]" = []
        gate = Gate(os.path.join(mpi.RANK_FOLDER, _GATE), replaces_image=recipe.config is not None)
        binds = [(bind.source, bind.destination, bind.read_only) for bind in recipe.binds]
        for number, (source, destination, read_only) in enumerate([*binds, *gate.binds()]):
            alias = os.path.join(self._job.work, f"{recipe.document['name']}.bind.{number}")
            options += apptainer.bind(source, destination, read_only=read_only, alias=alias)
        return apptainer.start_call(
            self._job.site["runtime_program"],
            image=recipe.image,
            binds=options,
            options=recipe.document["runtime_options"],
            work=os.path.join(mpi.RANK_FOLDER, _WORK),
            working_dir=recipe.working_dir,
            runs_image=recipe.runs_image,
            words=recipe.words,
        )
