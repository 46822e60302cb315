"""``check --job``: a real job shows what nobody can see beforehand, from the partition to a container on the node."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.bootstrap import job_site, make_folders, slurm_client
from sidecar.cli import trial
from sidecar.cli.findings import Finding, ok, problem, warning
from sidecar.cli.trial import TrialAnswer
from sidecar.domain import planning
from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import Container, ContainerRole, JobOptions, Pod
from sidecar.domain.users import JobUser
from sidecar.errors import SidecarError, SlurmError
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.script import OUTPUT_ON_NODE
from sidecar.settings import Settings
from sidecar.slurm.client import SlurmClient
from sidecar.slurm.queue import JobInQueue
from sidecar.system import users

if TYPE_CHECKING:
    from sidecar.runner.contract.node_report import NodeReport

_EVERY_SECONDS = 0.5
_OUTPUT_SECONDS = 10.0
"""How long a shared file system may take to show what the job has written."""
_TIME_LIMIT = "--time=5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Which job to try."""

    flavor: str
    image: Path | None
    timeout_seconds: float


def examine(settings: Settings, environ: Mapping[str, str], wanted: Trial) -> Iterator[Finding]:
    """What one job of this site finds on its node."""
    try:
        yield from _Attempt(settings, environ, wanted).findings()
    except SidecarError as error:
        yield problem("job", str(error))
    except OSError as error:
        yield problem("job", f"{error.filename} cannot be used: {error.strerror}; see DataRootFolder")


class _Attempt:
    def __init__(self, settings: Settings, environ: Mapping[str, str], wanted: Trial) -> None:
        self._settings = settings
        self._wanted = wanted
        self._slurm = slurm_client(settings, environ)
        self._site = job_site(settings)
        self._plan = _plan(settings, wanted.flavor)
        self._user = users.other_than(settings.uid, self._plan.uid, None)

    def findings(self) -> Iterator[Finding]:
        make_folders(self._settings.data_root_folder)
        image = str(self._wanted.image.absolute()) if self._wanted.image else ""
        with trial.files_of_trial(self._plan, self._site, image=image, user=self._user) as files:
            job_id = self._slurm.sbatch(files.script, lock_fd=None, user=self._user)
            waiting = _Waiting(self._slurm, job_id, self._user)
            job, has_ended = waiting.wait(self._wanted.timeout_seconds)
            if not has_ended:
                yield problem("job", _overdue(job_id, job, self._wanted.timeout_seconds))
                return
            answer = self._answer(files)
        where = f"job {job_id}{f' on {job.nodes}' if job and job.nodes else ''}"
        if answer.report is None:
            yield problem("job", self._silence(where, job, job_id, answer))
            return
        yield from _read(answer.report, where, self._settings)
        if answer.words:
            yield warning("job prefix", f"{where} printed before the check: {answer.words}; is CommandPrefix right?")

    def _answer(self, files: PodDirectory) -> TrialAnswer:
        deadline = time.monotonic() + (_OUTPUT_SECONDS if self._site.shared_fs else 0)
        while not trial.has_answered(files) and time.monotonic() < deadline:
            time.sleep(_EVERY_SECONDS)
        return trial.answer_of(files)

    def _silence(self, where: str, job: JobInQueue | None, job_id: str, answer: TrialAnswer) -> str:
        state = f" as {job.state}" if job else ""
        if answer.words:
            return f"{where} ended{state} before Python began: {answer.words}; see CommandPrefix and RunnerPython"
        if not self._site.shared_fs:
            file = OUTPUT_ON_NODE.replace("%j", job_id)
            return f"{where} ended{state}; nodes share no files here: read what it found in {file} there"
        return (
            f"{where} ended{state} and left no output in {self._site.data_root}: does the node see that folder "
            "(DataRootFolder), at the same path and writable? If not, set SHARED_FS=false"
        )


def _plan(settings: Settings, flavor: str) -> JobPlan:
    """What a pod comes to that states nothing but a flavor.

    :raises UnsupportedPod: there is no such flavor
    """
    pod = Pod(
        uid="check",
        namespace=settings.namespace,
        name="slurm-sidecar-check",
        containers=(Container(name="check", role=ContainerRole.MAIN, image="/check"),),
        options=JobOptions(flavor=flavor, flags=(_TIME_LIMIT,)),
    )
    return planning.plan(pod, settings.policy, token=secrets.token_hex(4))


class _Waiting:
    """Waiting for one job."""

    def __init__(self, slurm: SlurmClient, job_id: str, user: JobUser | None) -> None:
        self._slurm = slurm
        self._job_id = job_id
        self._user = user

    def wait(self, seconds: float) -> tuple[JobInQueue | None, bool]:
        """The job as it was last seen, and whether it has ended; one that has not is cancelled."""
        deadline = time.monotonic() + seconds
        seen: JobInQueue | None = None
        try:
            while time.monotonic() < deadline:
                job = self._look()
                if job is None and seen is not None:
                    return seen, True  # the controller has forgotten it
                seen = job or seen
                if seen is not None and seen.state.is_terminal:
                    return seen, True
                time.sleep(_EVERY_SECONDS)
        except BaseException:
            self._cancel()
            raise
        self._cancel()
        return seen, False

    def _look(self) -> JobInQueue | None:
        jobs = self._slurm.squeue([self._user.uid] if self._user else ())
        return next((job for job in jobs if job.job_id == self._job_id), None)

    def _cancel(self) -> None:
        with suppress(SlurmError):
            self._slurm.scancel(self._job_id, user=self._user)


def _overdue(job_id: str, job: JobInQueue | None, seconds: float) -> str:
    if job is not None and job.state.is_active:
        return f"job {job_id} on {job.nodes} did not end within {seconds:g} s and was cancelled; look at that node"
    why = f" ({job.reason})" if job is not None and job.reason not in ("", "None") else ""
    return (
        f"job {job_id} did not start within {seconds:g} s{why} and was cancelled; look with 'sinfo', or wait longer "
        "with --timeout"
    )


def _read(report: NodeReport, where: str, settings: Settings) -> Iterator[Finding]:
    """One finding for each thing that a job needs."""
    node = report["node"]
    yield ok("job", f"{where} ran: Python {report['python']} ({report['python_path']})")
    yield from _folders(report, settings)
    key = "EnrootPath" if settings.runs_enroot else "SingularityPath"
    if report["runtime_problem"]:
        yield problem(
            "job runtime",
            f"{settings.runtime_program} cannot be called on node {node}: {report['runtime_problem']}; install it "
            f"there, or see {key} and CommandPrefix",
        )
    else:
        yield ok("job runtime", f"node {node} has {report['runtime']}")
    yield from _kernel(report)
    if report["container_problem"]:
        yield problem("job container", f"no container could be started on node {node}: {report['container_problem']}")
    elif report["has_container"]:
        yield ok("job container", f"a container was started on node {node}")


def _folders(report: NodeReport, settings: Settings) -> Iterator[Finding]:
    node = report["node"]
    if report["tmpdir_problem"]:
        yield warning(
            "job TMPDIR",
            f"{report['tmpdir']} on node {node} cannot be written ({report['tmpdir_problem']}); jobs fall back to "
            "/tmp: see the site's prolog",  # noqa: S108
        )
    else:
        yield ok("job TMPDIR", f"{report['tmpdir']} on node {node} can be written")
    if not settings.shared_fs:
        return
    if report["data_problem"]:
        yield problem(
            "job data",
            f"{settings.data_root_folder} cannot be written on node {node}: {report['data_problem']}; mount it there, "
            "or set SHARED_FS=false",
        )
    else:
        yield ok("job data", f"{settings.data_root_folder} can be written on node {node}")


def _kernel(report: NodeReport) -> Iterator[Finding]:
    node = report["node"]
    if report["namespaces_problem"]:
        yield warning(
            "job kernel",
            f"node {node} lets users make no user namespaces ({report['namespaces_problem']}): no commands in probes "
            "and hooks, and Apptainer must be installed setuid",
        )
    parts = {"overlay": report["has_overlay"], "fuse": report["has_fuse"]}
    lacks = " and ".join(name for name, is_there in parts.items() if not is_there)
    if report["overlay_problem"]:
        why = report["overlay_problem"]
        yield warning("job kernel", f"node {node} starts containers with a read-only file system only: {why}")
    elif lacks:
        yield warning("job kernel", f"node {node} lacks {lacks}: containers may be read-only, or slow to start")
    if not report["namespaces_problem"] and not lacks:
        yield ok("job kernel", f"node {node} has user namespaces, overlay and fuse")
