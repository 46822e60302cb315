"""Building the daemon from its settings: the only place that knows all parts."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from anyio import CapacityLimiter

from sidecar.cluster import Cluster
from sidecar.domain.users import JobUser
from sidecar.drain import Drain
from sidecar.errors import CannotServe, JobFilesError, SlurmError, StoreError, UnknownUser
from sidecar.health import Monitor
from sidecar.history import History
from sidecar.locks import SubmissionLocks
from sidecar.pod_files import directory, places, supervisor
from sidecar.pod_files.site import JobSite
from sidecar.reconciler.listening import Listener
from sidecar.reconciler.loop import Reconciler
from sidecar.service import Service
from sidecar.settings import Settings
from sidecar.slurm.client import Programs, SlurmClient
from sidecar.slurm.process import Call, run
from sidecar.store import engine, migrate
from sidecar.submission import Submitter
from sidecar.system import users
from sidecar.web.app import application
from sidecar.web.context import Context
from sidecar.web.server import SHUTDOWN_SECONDS, Server, listen, listen_unix

log = structlog.get_logger(__name__)


_COMPILE_SECONDS = 60.0
_CREATES_AT_ONCE = 16
"""More sbatch calls at a time than this only wait for one another in Slurm's controller."""


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def slurm_programs(settings: Settings) -> Programs:
    """Slurm's programs as the settings name them."""
    return Programs(
        sbatch=settings.sbatch_path,
        scancel=settings.scancel_path,
        squeue=settings.squeue_path,
        sacct=settings.sacct_path,
        sinfo=settings.sinfo_path,
    )


def slurm_client(settings: Settings, environ: Mapping[str, str]) -> SlurmClient:
    """Slurm as the settings describe it."""
    return SlurmClient(slurm_programs(settings), timeout_seconds=settings.slurm_timeout, environ=environ)


def job_site(settings: Settings) -> JobSite:
    """What the settings say about every job's script."""
    return JobSite(
        data_root=settings.data_root_folder,
        shared_fs=settings.shared_fs,
        most_restarts=settings.max_restarts,
        bash_path=settings.bash_path,
        runner_python=settings.runner_python,
        log_max_bytes=settings.container_log_max_size,
        log_max_files=settings.container_log_max_files,
        command_prefix=settings.command_prefix,
        runtime=settings.container_runtime,
        runtime_program=settings.runtime_program,
        runtime_prefix=settings.enroot_prefix if settings.runs_enroot else settings.singularity_prefix,
        tsocks_library=settings.tsocks_path if settings.tsocks else "",
        tsocks_login=settings.tsocks_login_node,
        registry_auth_file=settings.registry_auth_file,
        allowed_host_paths=settings.allowed_host_paths,
        protected_paths=settings.policy.protected_paths,
    )


@contextmanager
def open_database(settings: Settings) -> Iterator[engine.Database]:
    """The database, brought up to date, with no other daemon on it.

    :raises StoreError: it cannot be used; the text has the path and the way out
    """
    path = settings.database_path
    engine.prepare_folder(path)
    engine.refuse_network_file_system(path, settings.database_journal_mode)
    with engine.single_instance(path):
        saved = migrate.upgrade(path, now=now())
        if saved is not None:
            log.info("database brought up to date", path=str(path), backup=str(saved))
        database = engine.Database(path, journal_mode=settings.database_journal_mode)
        try:
            database.check()
            yield database
        finally:
            database.close()


def prepare_data_root(settings: Settings) -> None:
    """Make the folder of the pods' directories and clear what a crash left half-done.

    :raises CannotServe: it cannot be made or written
    """
    root = settings.data_root_folder
    try:
        make_folders(root)
        if problems := list(root_problems(settings)):
            raise CannotServe("; ".join(problems))
        directory.remove_abandoned(root)
    except JobFilesError as error:
        log.warning("leftovers in DataRootFolder stay", reason=str(error))
    except OSError as error:
        raise CannotServe(f"DataRootFolder {root} cannot be used: {error.strerror}") from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise CannotServe(
            f"DataRootFolder {root} cannot be written by user {os.getuid()}; check its owner, mode and file system"
        )


def prepare_for_jobs(settings: Settings) -> None:
    """Put into the data folder what jobs need beside their pods' directories.

    :raises CannotServe: the jobs' program cannot be written
    """
    if not settings.shared_fs:
        return
    try:
        places.prepare(settings.data_root_folder, list(_named_users(settings)))
    except JobFilesError as error:
        raise CannotServe(str(error)) from error
    # Jobs run without it, only slower, so nobody waits for it.
    threading.Thread(target=_compile_supervisor, args=(settings,), name="compile", daemon=True).start()


def _compile_supervisor(settings: Settings) -> None:
    for argv in supervisor.compile_calls(settings.data_root_folder, settings.runner_python):
        try:
            answer = run(Call(argv=argv, environment={}, timeout_seconds=_COMPILE_SECONDS))
        except SlurmError as error:
            log.warning("the jobs' program was not compiled", reason=str(error))
            continue
        if answer.code:
            log.warning("the jobs' program was not compiled", python=argv[0], reason=answer.stderr.strip()[-200:])


def _named_users(settings: Settings) -> Iterator[JobUser]:
    """The users whose jobs a daemon that is root surely submits."""
    if settings.uid != 0:
        return
    for uid in {settings.default_uid, *(flavor.uid for flavor in settings.flavors.values())}:
        if user := users.other_than(settings.uid, uid, None):
            yield user


def make_folders(root: Path) -> None:
    """Make those that are missing; where they are root's, jobs' users pass through them, and may not look around."""
    for folder in reversed([folder for folder in (root, *root.parents) if not folder.exists()]):
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            folder.chmod(0o711)


def root_problems(settings: Settings) -> Iterator[str]:
    """What keeps a daemon that is root from running jobs as others, one sentence each; nothing for an ordinary user."""
    if settings.uid != 0:
        return
    if settings.default_uid is None:
        yield (
            "jobs would run as root: start the sidecar as an ordinary user that may submit jobs, or name the jobs' user"
            " (DefaultUID)"
        )
        return
    yield from _unknown_users(settings)
    folder = settings.data_root_folder
    if folder.is_dir() and (weakness := users.weakness(folder)):
        yield f"DataRootFolder {folder} must be root's alone, as jobs' files lie in it: {weakness}"


def _unknown_users(settings: Settings) -> Iterator[str]:
    named = {"DefaultUID": settings.default_uid} | {f"Flavors.{n}.UID": f.uid for n, f in settings.flavors.items()}
    folder = settings.data_root_folder
    for key, uid in named.items():
        try:
            user = users.lookup(uid) if uid is not None else None
        except UnknownUser as error:
            yield f"{key}: {error}"
            continue
        if user and folder.is_dir() and os.getuid() == 0 and not users.may_enter(folder, user):
            yield f"DataRootFolder {folder} cannot be entered by user {user.name} ({key}); give it mode 711"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """The parts that run."""

    context: Context
    reconciler: Reconciler
    stopping: threading.Event


def build(settings: Settings, database: engine.Database, environ: Mapping[str, str]) -> Daemon:
    """Connect everything."""
    slurm = slurm_client(settings, environ)
    history = History(database, now)
    monitor = Monitor()
    submitter = Submitter(
        history,
        slurm,
        SubmissionLocks(settings.database_path.parent / "locks"),
        data_root=settings.data_root_folder,
        shared_fs=settings.shared_fs,
        own_uid=settings.uid,
        monitor=monitor,
    )
    cluster = Cluster(
        slurm,
        policy=settings.policy,
        max_pods=settings.max_pods,
        resource_script=settings.resource_script_path,
        now=now,
    )
    reconciler = Reconciler(
        history=history,
        slurm=slurm,
        submitter=submitter,
        cluster=cluster,
        listener=Listener(settings.data_root_folder, settings.uid, submitter.directory_of)
        if settings.shared_fs
        else None,
        interval_seconds=settings.reconcile_interval,
        monitor=monitor,
        now=now,
    )
    stopping = threading.Event()
    drain = Drain(settings.database_path)
    context = Context(
        service=Service(
            history=history,
            submitter=submitter,
            policy=settings.policy,
            site=job_site(settings),
            drain=drain,
            wake_reconciler=reconciler.wake,
        ),
        cluster=cluster,
        drain=drain,
        policy=settings.policy,
        taints=settings.taints,
        monitor=monitor,
        creating=CapacityLimiter(_CREATES_AT_ONCE),
        database_problem=lambda: _problem_of(database),
        is_stopping=stopping.is_set,
        now=now,
    )
    return Daemon(context=context, reconciler=reconciler, stopping=stopping)


def _problem_of(database: engine.Database) -> str:
    try:
        database.check()
    except StoreError as error:
        return str(error)
    return ""


def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run the daemon until it is told to stop.

    :raises SidecarError: it cannot start; the text says why and what to do
    """
    if settings.uid == 0 and settings.default_uid is None:
        raise CannotServe("; ".join(root_problems(settings)))
    os.umask(0o077)
    for remark in settings.remarks:
        log.warning(remark)
    prepare_data_root(settings)
    prepare_for_jobs(settings)
    with open_database(settings) as database:
        daemon = build(settings, database, environ)
        listener = listen_unix(settings.socket) if settings.socket else _listen_tcp(settings)
        server = Server(application(daemon.context, settings.tracing), on_exit=daemon.stopping.set)
        # What is loaded by now stays; looking through it for garbage again and again takes 50 ms each time.
        gc.freeze()
        reconciling = threading.Thread(target=daemon.reconciler.run, name="reconciler", daemon=True)
        reconciling.start()
        log.info("serving", at=str(settings.socket or f"http://{settings.listen_address}:{settings.sidecar_port}"))
        try:
            server.run(sockets=[listener])
        finally:
            daemon.stopping.set()
            daemon.reconciler.stop()
            reconciling.join(timeout=SHUTDOWN_SECONDS)
            if settings.socket:
                settings.socket.unlink(missing_ok=True)
    log.info("stopped")


def _listen_tcp(settings: Settings) -> socket.socket:
    return listen(settings.listen_address, settings.sidecar_port)
