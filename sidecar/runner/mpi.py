"""Main containers under mpiexec: every rank is a container of its own, on this node or another one of the job.

mpiexec starts this program on every rank's node, with the path of a file that all nodes see; the rank makes its own
folder there, starts the runtime, and removes the folder when the container has ended.
"""

import json
import os
import signal

from sidecar.runner.contract.exit_codes import CANNOT_RUN
from sidecar.runner.node.addresses import has_more_nodes
from sidecar.runner.system import folders, libc, processes
from sidecar.runner.system.event_loop import Loop, exit_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

    from sidecar.runner.contract.pod_document import PodDocument

    Prepare = Callable[[str, Dict[str, str], Dict[str, Any]], None]

RANK_FOLDER = "\0rank\0"
"""Stands in a call for the folder of each rank. No argument can hold a NUL of its own."""
_OTHER_ROOT = "/tmp"  # noqa: S108
"""Where a rank's folder is if the job's temporary folder is of the first node alone."""
_SECONDS_TO_CLEAN = 10


def obstacle(document: "PodDocument", environment: "Mapping[str, str]") -> str:
    """Why no container of the pod can start: it needs what other nodes of the job cannot have. Empty: it can.

    :param environment: the job's
    """
    if document["mpi"] is None or not has_more_nodes(environment):
        return ""
    if not document["site"]["shared_fs"]:
        return "mpi-flags on several nodes need SHARED_FS=true"
    for volume in document["volumes"]:
        if volume["kind"] == "memory":
            return f"volume {volume['name']}: memory is of one node; with mpi-flags on several nodes leave medium out"
    return ""


# ---------------------------------------------------------------- the call of mpiexec


def write_call(
    path: str,
    argv: "Sequence[str]",
    environment: "Mapping[str, str]",
    values: "Mapping[str, str]",
    gate: "Mapping[str, Any]",
    private: str,
) -> None:
    """Write what every rank does; the file holds secrets.

    :param path: where all nodes of the job see it
    :param argv: the runtime's, with :data:`RANK_FOLDER` for what is in the rank's folder
    :param environment: what the runtime itself is started with
    :param values: the container's environment
    :param gate: how the gate is made by which the container gets it
    :param private: the job's folder on the first node; the ranks' folders are called like it
    :raises OSError: it cannot be written
    """
    call = {"argv": list(argv), "environment": dict(environment), "values": dict(values)}
    folders.write_private(path, json.dumps({**call, "gate": dict(gate), "private": private}))


def mpiexec_call(
    words: "Sequence[str]", environment: "Mapping[str, str]", supervisor: "Sequence[str]", path: str
) -> "List[str]":
    """The argument vector that starts all ranks. Slurm sets SLURM_NTASKS only in jobs that ask for tasks.

    :param words: the pod's own, from its document
    :param environment: the job's
    :param supervisor: the argument vector that starts this program
    :param path: of the file that :func:`write_call` wrote
    """
    program = processes.which("mpiexec", environment.get("PATH", ""))
    return [program, "-np", environment.get("SLURM_NTASKS") or "1", *words, *supervisor, "rank", path]


# ---------------------------------------------------------------- one rank


def run_rank(path: str, prepare: "Prepare") -> int:
    """Run one rank's container on this node and return its exit code.

    :param path: of the file that :func:`write_call` wrote
    :param prepare: given the rank's folder, the container's environment and how the gate is made, puts there what the
        runtime needs
    :raises OSError: the file cannot be read, or what the runtime needs cannot be made
    """
    with open(path, encoding="ascii") as file:
        call = json.load(file)
    # Until there is somebody to pass it on to, a request to end waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    folder = _make_rank_folder(call["private"])
    try:
        values = {**_of_no_task(call["values"]), **rank_variables(os.environ, _started_by_slurm())}
        prepare(folder, values, call["gate"])
        argv = [word.replace(RANK_FOLDER, folder) for word in call["argv"]]
        return _run(argv, {**_of_no_task(call["environment"]), **_of_prefix(os.environ)})
    finally:
        folders.remove_tree(folder)


def _make_rank_folder(private: str) -> str:
    try:
        return folders.make_folder(f"{private}.rank")
    except OSError:
        return folders.make_folder(os.path.join(_OTHER_ROOT, f"{os.path.basename(private)}.rank"))


def _of_no_task(variables: "Mapping[str, str]") -> "Dict[str, str]":
    """Without what holds only for the batch step and its node."""
    return {name: value for name, value in variables.items() if name not in (*_OF_NODE, *_OF_TASK)}


def _of_prefix(environment: "Mapping[str, str]") -> "Dict[str, str]":
    """What the site's shell text before mpiexec may have changed for the runtime."""
    return {name: environment[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in environment}


def _run(argv: "Sequence[str]", environment: "Mapping[str, str]") -> int:
    """Run a program, which keeps the descriptors that mpiexec gave us, and pass on a request to end."""
    program = processes.which(argv[0], environment.get("PATH", ""))
    pid = os.fork()
    if pid == 0:
        _become(program, argv, environment)
    signal.signal(signal.SIGTERM, lambda *_: processes.send(signal.SIGTERM, pid))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _, status = os.waitpid(pid, 0)
    return exit_code(status)


def _become(program: str, argv: "Sequence[str]", environment: "Mapping[str, str]") -> None:
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        libc.die_with_parent()
        os.execve(program, list(argv), environment)
    except BaseException as failure:  # nothing may go on in here as if it were the parent
        os.write(2, f"slurm-sidecar: {program} cannot be started: {failure}\n".encode())
    os._exit(CANNOT_RUN)


# ---------------------------------------------------------------- who a rank is

_PASSED_ON = (
    *("PMI_", "PMI2_", "PMIX_", "MPI_", "MPICH_", "MPIR_", "HYDRA_", "HYDI_", "I_MPI_", "MV2_", "OMPI_", "PRTE_"),
    "SLURM",
)
"""What the names of variables begin with that tell a rank who it is, and how to reach the others.

Names: MPICH and its kin (Hydra sets PMI_FD, PMI_RANK, PMI_SIZE), Intel MPI, MVAPICH, Open MPI, Slurm.
"""
_RANK = ("OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "PMI2_RANK")
_LOCAL_RANK = (
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "PMI_LOCAL_RANK",
)
_OF_NODE = ("SLURMD_NODENAME", "SLURM_NODEID", "SLURM_CPUS_ON_NODE", "SLURM_TOPOLOGY_ADDR")
_OF_TASK = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_GTIDS", "SLURM_TASK_PID")


def rank_variables(environment: "Mapping[str, str]", started: "Tuple[Mapping[str, str], bool]") -> "Dict[str, str]":
    """What goes into the container of one rank.

    mpiexec may pass on the batch step's variables, by which all ranks would be number 0 on the first node. So what
    Slurm says of a task comes from the rank's own number, and what it says of the node from a process there that Slurm
    itself has started, such as hydra_pmi_proxy. What nobody knows is left out.

    :param environment: the rank's
    :param started: the environment that Slurm gave to the nearest process, and whether that is the rank itself
    """
    passed = {name: value for name, value in environment.items() if name.startswith(_PASSED_ON)}
    of_node, is_rank = started
    if is_rank:
        return passed
    for name in (*_OF_NODE, *_OF_TASK):
        passed.pop(name, None)
    passed.update((name, of_node[name]) for name in _OF_NODE if name in of_node)
    for name, sources in (("SLURM_PROCID", _RANK), ("SLURM_LOCALID", _LOCAL_RANK)):
        number = _first(environment, sources)
        if number is not None:
            passed[name] = number
    return passed


def _first(environment: "Mapping[str, str]", names: "Sequence[str]") -> "Optional[str]":
    return next((environment[name] for name in names if environment.get(name)), None)


def _started_by_slurm() -> "Tuple[Mapping[str, str], bool]":
    """The environment of the nearest process, from this one upwards, that slurmstepd has started.

    Where there is none, as under ssh, only the node's own name is known.
    """
    pid = os.getpid()
    while pid > 1:
        parent = _parent_of(pid)
        if processes.name_of(parent) == "slurmstepd":
            return _environment_of(pid), pid == os.getpid()
        pid = parent
    return {"SLURMD_NODENAME": os.uname().nodename.partition(".")[0]}, False


def _parent_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", errors="surrogateescape") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _environment_of(pid: int) -> "Dict[str, str]":
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = os.fsdecode(file.read()).split("\0")
    except OSError:
        return {}
    return dict(entry.partition("=")[::2] for entry in entries if "=" in entry)


# ---------------------------------------------------------------- folders of ranks that were killed


async def clean_ranks(loop: Loop, private: str, environment: "Mapping[str, str]", supervisor: "Sequence[str]") -> None:
    """Remove the folders of ranks that were killed, on all nodes of the job.

    Only Slurm gets to the other nodes, and no more once it ends the job itself.

    :param private: the job's folder on this node
    :param environment: the job's
    :param supervisor: the argument vector that starts this program
    """
    remove_ranks(private)
    if not has_more_nodes(environment):
        return
    count = environment["SLURM_JOB_NUM_NODES"]
    srun = processes.which("srun", environment.get("PATH", ""))
    step = ["--overlap", f"--nodes={count}", f"--ntasks={count}", "--ntasks-per-node=1"]
    encoded = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        child = processes.spawn(loop, [srun, *step, *supervisor, "clean-ranks", private], encoded, output=null)
    finally:
        os.close(null)
    await loop.first_of(child.exited, seconds=_SECONDS_TO_CLEAN)
    child.kill()


def remove_ranks(private: str) -> None:
    """Remove the folders that ranks left on this node.

    :param private: the job's folder on the first node
    """
    parent, name = os.path.split(private)
    for root in {parent, _OTHER_ROOT}:
        try:
            found = [entry for entry in os.listdir(root) if entry.startswith(f"{name}.rank.")]
        except OSError:
            continue  # this node has no such folder
        for entry in found:
            folders.remove_tree(os.path.join(root, entry))
