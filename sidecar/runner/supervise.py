"""One job from the moment at which the supervisor begins to its last word."""

import os
import sys

from sidecar.runner.contract.exit_codes import CANNOT_RUN
from sidecar.runner.job import Job
from sidecar.runner.pod import Parts, Pod
from sidecar.runner.private_folder import remove_abandoned
from sidecar.runner.shell_environment import left_by_shell
from sidecar.runner.system import libc, processes
from sidecar.runner.system.event_loop import Loop
from sidecar.runner.system.folders import remove_tree, write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import PodDocument


def supervise(document: "PodDocument", *, directory: str, files_root: str, private: str, began_at: float) -> int:
    """Run the pod, and leave nothing behind; return the job's exit code."""
    os.umask(0o077)
    libc.adopt_orphans()
    job = Job(
        Loop(),
        document,
        directory=directory,
        files_root=files_root,
        private=private,
        environment=left_by_shell(),
    )
    job.heed_signals()
    job.report.write(("job_started", {"job": job.id, "node": job.node}))
    if document["deadline_seconds"]:
        job.set_deadline(document["deadline_seconds"], began_at)
    return int(job.loop.run(_whole(job)))


async def _whole(job: Job) -> int:
    parts = Parts(job)
    try:
        code = await _run(job, parts)
    except Exception:
        import traceback

        traceback.print_exc()  # a fault of this program: the job still ends as it should
        code = CANNOT_RUN
    if job.document["mpi"] is not None:
        await _clean_ranks(job)
    await processes.kill_rest(job.loop, with_session=job.document["has_shell_text"])
    job.report.write(("job_finished", {"code": code}))
    await job.report.finish(job.loop)
    parts.images.remove_leftovers()
    parts.mounts.remove()
    remove_tree(job.private)
    remove_abandoned(os.path.dirname(job.private))
    return code


async def _clean_ranks(job: Job) -> None:
    from sidecar.runner.mpi import clean_ranks
    from sidecar.runner.runtimes.mpi_launcher import supervisor_call

    await clean_ranks(job.loop, job.private, job.variables, supervisor_call())


def _obstacle(job: Job) -> str:
    """Why no container of the pod can start; empty: it can."""
    if job.document["mpi"] is None or job.document["job_script"]:
        return ""
    from sidecar.runner.mpi import obstacle

    return obstacle(job.document, job.variables)


def _make_places(job: Job) -> None:
    """Make what this program itself needs on the node.

    :raises OSError: it cannot be made
    """
    os.mkdir(job.work, 0o700)
    if job.document["has_shell_text"]:  # the batch script's shell may stay, and hands on to us what it is told
        write_private(os.path.join(job.private, "supervisor.pid"), str(os.getpid()))


async def _run(job: Job, parts: Parts) -> int:
    problem = _obstacle(job)
    if problem:
        sys.stderr.write(f"slurm-sidecar: {problem}\n")
        return CANNOT_RUN
    try:
        _make_places(job)
        parts.prepare()
    except OSError as error:
        sys.stderr.write(
            f"slurm-sidecar: the pod's folders cannot be made on node {job.node}: {error.filename}: {error.strerror}\n"
        )
        return CANNOT_RUN
    if job.document["job_script"]:
        from sidecar.runner.job_script import run_job_script

        return await run_job_script(job)
    return await Pod(parts).run()
