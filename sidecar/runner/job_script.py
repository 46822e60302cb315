"""A script that interLink brings ready-made: it runs once, in place of the containers.

It may tell how each container ended. What it finds and may leave is that of the Go plugin: SANDBOX is a folder for it
(workingPath the same), where run-NAME.status and init-NAME.status hold exit codes, and run-NAME.out and init-NAME.out
are the containers' logs.

Source: https://github.com/interlink-hq/interlink-slurm-plugin, pkg/slurm/Create.go and prepare.go
"""

import os
import stat

from sidecar.runner.containers.environment import of_runtime
from sidecar.runner.containers.output import Output
from sidecar.runner.contract.exit_codes import KILLED, TERMINATED
from sidecar.runner.contract.layout import JOB_SCRIPT, LOGS
from sidecar.runner.logs import LogWriter
from sidecar.runner.system import folders, processes, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from sidecar.runner.contract.pod_document import ContainerDocument
    from sidecar.runner.job import Job
    from sidecar.runner.report import Fact
    from sidecar.runner.system.processes import Child

_SCRIPT = "script"
_HIGHEST_CODE = 255
"""Of a process: 256 would be 0, and a script may write any number."""
_LATE_STOP_SECONDS = 0.1
"""A script that was killed may have heard it before we did, when somebody told all processes of the job."""


async def run_job_script(job: "Job") -> int:
    """Run the script to its end and return the job's exit code: the highest of its own and those that it wrote.

    :raises OSError: its folder cannot be made
    """
    sandbox = job.files.path(JOB_SCRIPT)
    os.makedirs(sandbox, mode=0o700, exist_ok=True)
    folders.write_private(os.path.join(sandbox, _SCRIPT), job.document["job_script"], mode=0o700)
    begun = [fact for document in job.document["containers"] for fact in _begin(job, sandbox, document)]
    first = next(document["name"] for document in job.document["containers"] if document["role"] == "main")
    log = LogWriter(job.files, first, 0, job.site["log_max_bytes"], job.site["log_max_files"], job.loop)
    try:
        output = Output(job.loop, log)
        output.let_through()
        child = _start(job, sandbox, output)
        job.report.write(*begun)
        code = await _await_end(job, child)
        await output.finish()
    finally:
        log.close()
    return _report_end(job, sandbox, code)


def _begin(job: "Job", sandbox: str, document: "ContainerDocument") -> "List[Fact]":
    """Give the script a container's log, and say that the container has started.

    To Kubernetes the init containers are done, or the main ones would be seen waiting. What runs is up to the script.
    """
    name = document["name"]
    os.close(os.open(job.files.log(name, 0), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    link = os.path.join(sandbox, f"{_prefix(document)}-{name}.out")
    if os.path.lexists(link):
        os.unlink(link)  # Slurm runs the same job again
    os.symlink(os.path.join("..", LOGS, os.path.basename(job.files.log(name, 0))), link)
    facts: "List[Fact]" = [("container_started", {"container": name, "attempt": 0})]
    if document["role"] != "main":
        facts.append(("container_terminated", {"container": name, "attempt": 0, "code": 0}))
    return facts


def _prefix(document: "ContainerDocument") -> str:
    return "run" if document["role"] == "main" else "init"


def _start(job: "Job", sandbox: str, output: Output) -> "Child":
    script = os.path.join(sandbox, _SCRIPT)
    # The kernel starts only what names its interpreter; for other texts it is a shell, as if one had been asked.
    argv = [script] if job.document["job_script"].startswith("#!") else [job.site["bash"], script]
    variables = of_runtime(job.environment, job.site["tsocks_library"])
    variables.update({name: os.fsencode(sandbox) for name in (b"SANDBOX", b"workingPath")})
    child = processes.spawn(job.loop, argv, variables, output=output.writing, directory=sandbox, umask=0o022)
    output.started()
    return child


async def _await_end(job: "Job", child: "Child") -> int:
    """Wait until the script has ended, also because it must; return its code."""
    await job.loop.first_of(child.exited, job.stopping, job.expired)
    if not child.has_ended:
        # A shell that waits for a program would not hear of it in time: all below it are asked.
        for pid in (child.pid, *processes.descendants(child.pid)):
            processes.send(signals.SIGTERM, pid)
        await job.loop.first_of(child.exited, seconds=job.grace_seconds())
        child.kill()
    code = int(await child.exited)
    if code in (KILLED, TERMINATED):
        await job.loop.first_of(job.stopping, seconds=_LATE_STOP_SECONDS)
    if job.expired.is_done and code == 0:
        return TERMINATED
    job.forget_deadline()
    return code


def _report_end(job: "Job", sandbox: str, code: int) -> int:
    """Say how each main container ended: as the script says, else as the worst of all."""
    statuses = [_status(os.path.join(sandbox, name)) for name in _names_in(sandbox) if name.endswith(".status")]
    worst = max([code, *(status for status in statuses if status is not None)])
    ended: "List[Fact]" = []
    for document in job.document["containers"]:
        if document["role"] == "main":
            status = _status(os.path.join(sandbox, f"run-{document['name']}.status"))
            fields = {"container": document["name"], "attempt": 0, "code": worst if status is None else status}
            ended.append(("container_terminated", fields))
    job.report.write(*ended)
    return min(worst, _HIGHEST_CODE)


def _names_in(sandbox: str) -> "List[str]":
    try:
        return os.listdir(sandbox)
    except OSError:
        return []  # the script has removed it


def _status(path: str) -> "Optional[int]":
    """The exit code in a file that the script wrote; ``None`` if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return code_in(os.read(descriptor, 64)) if is_file else None
    finally:
        os.close(descriptor)


def code_in(text: bytes) -> "Optional[int]":
    """The exit code on the first line of a text: one to three digits, perhaps between blanks."""
    word = text.partition(b"\n")[0].strip(b" \t")
    return int(word) if word.isdigit() and len(word) <= 3 else None
