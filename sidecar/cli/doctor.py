"""``check``: everything the daemon needs, looked at before (or while) it runs. Nothing is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from sidecar.bootstrap import root_problems, slurm_client, slurm_programs
from sidecar.cli import doctor_files, doctor_runtime
from sidecar.cli.client import DaemonClient, DaemonRefused, DaemonUnreachable, address_of
from sidecar.cli.findings import Finding, ok, problem, warning
from sidecar.domain.partitions import Partitions, in_use
from sidecar.domain.slurm_state import SlurmState
from sidecar.drain import Drain
from sidecar.errors import AccountingDisabled, CannotListen, InvalidSettings, SlurmError
from sidecar.settings import Settings, load
from sidecar.slurm.client import SlurmClient
from sidecar.web.server import listen


def examine(config: Path | None, environ: Mapping[str, str], *, image: Path | None, now: datetime) -> Iterator[Finding]:
    """All findings, in the order in which the daemon would stumble."""
    try:
        settings = load(config, environ)
    except InvalidSettings as error:
        yield from (problem("configuration", text) for text in error.problems)
        return
    yield ok("configuration", f"{settings.config_path} is understood")
    yield from (warning("configuration", remark) for remark in settings.remarks)
    yield from _users(settings)
    yield from _slurm(settings, environ, now)
    yield from doctor_runtime.examine(settings, environ, image)
    yield doctor_files.data_folder(settings)
    yield from doctor_files.job_places(settings)
    yield from doctor_files.database(settings)
    yield from _daemon(settings)
    if words := Drain(settings.database_path).state.sentence:
        yield warning("drain", f"the node is {words} and refuses new pods; 'slurm-sidecar undrain' ends it")


def _users(settings: Settings) -> Iterator[Finding]:
    """A daemon that is root runs jobs as others; this process is taken for the daemon."""
    if settings.uid != 0:
        return
    found = list(root_problems(settings))
    yield from (problem("user", text) for text in found)
    if not found:
        more = "; pods may ask for more (AllowedUIDs)" if settings.allowed_uids else ""
        yield ok("user", f"this is root; jobs run as UID {settings.default_uid} or as their flavor says{more}")


def _slurm(settings: Settings, environ: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    programs = slurm_programs(settings)
    client = slurm_client(settings, environ)
    for name in ("sbatch", "scancel", "squeue", "sinfo", "sacct"):
        yield _program(client, name, getattr(programs, name), settings.search_path)
    yield _queue(client)
    yield _nodes(client, in_use(settings.policy))
    yield _accounting(client, now)


def _program(client: SlurmClient, name: str, program: str, search_path: str) -> Finding:
    found = shutil.which(program, path=search_path)
    key = f"{name.capitalize()}Path"
    if found is None:
        say = warning if name == "sacct" else problem
        return say(name, f"{program} is not an executable on PATH; install Slurm's clients here or set {key}")
    try:
        return ok(name, f"{found}, {client.version(found)}")
    except SlurmError as error:
        return problem(name, f"{found} does not say its version ({error}); is it Slurm's? See {key}")


def _queue(client: SlurmClient) -> Finding:
    try:
        jobs = client.squeue()
    except SlurmError as error:
        return problem("queue", f"squeue does not answer ({error}); is slurmctld up, and this machine in its cluster?")
    active = sum(job.state is SlurmState.RUNNING for job in jobs)
    return ok("queue", f"squeue answers: {len(jobs)} jobs of this user, {active} running")


def _nodes(client: SlurmClient, partitions: Partitions) -> Finding:
    try:
        reading = client.sinfo(partitions)
    except SlurmError as error:
        return problem("nodes", f"sinfo does not answer ({error}); the virtual node could not tell its capacity")
    if not reading.nodes:
        return warning("nodes", "no node of the partitions in use takes jobs now; look with 'sinfo'")
    gpus = f", {reading.gpus} GPUs" if reading.gpus else ""
    amount = f"{reading.total_cpus} cores, {reading.memory_bytes // 1024**3} GiB of memory{gpus}"
    return ok("nodes", f"{reading.nodes} that pods can come to, with {amount}")


def _accounting(client: SlurmClient, now: datetime) -> Finding:
    try:
        client.sacct_by_name(["slurm-sidecar-check"], since=now)
    except AccountingDisabled:
        return warning("accounting", "this cluster keeps none: pods run, but what they used is not recorded")
    except SlurmError as error:
        return warning("accounting", f"sacct does not answer ({error}); pods run, their usage waits until it does")
    return ok("accounting", "sacct answers")


def _daemon(settings: Settings) -> Iterator[Finding]:
    try:
        words = DaemonClient(settings).readiness()
    except DaemonUnreachable:
        yield _place_to_listen(settings)
        return
    except DaemonRefused as error:
        yield problem("daemon", f"{error}; choose another SidecarPort or Socket, or stop that program")
        return
    details = f"database: {words['database']}, Slurm: {words['slurm']}, last look: {words['last_reconciled_at']}"
    say = ok if words["status"] == "ok" else problem
    yield say("daemon", f"running at {address_of(settings)} and {words['status']} ({details})")
    if orphans := words["orphan_job_ids"]:
        yield warning(
            "daemon",
            f"jobs {', '.join(orphans)} carry the sidecar's mark and belong to no pod on record: another sidecar's, or "
            "left from a lost database; look with 'squeue -j', end them with 'scancel'",
        )


def _place_to_listen(settings: Settings) -> Finding:
    if settings.socket:
        folder = next(parent for parent in settings.socket.parents if parent.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            return problem("daemon", f"not running, and {folder} cannot be written for the socket; see Socket")
        return ok("daemon", f"not running; its place {address_of(settings)} is free")
    try:
        listen(settings.listen_address, settings.sidecar_port).close()
    except CannotListen as error:
        return problem("daemon", f"not running: {error}")
    return ok("daemon", f"not running; its place {address_of(settings)} is free")
