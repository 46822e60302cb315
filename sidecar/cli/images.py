"""What the verbs about images do: list, warm, prune."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sidecar.bootstrap import job_site, slurm_client
from sidecar.cli.console import age, iso, note, print_json, print_table, say
from sidecar.domain import logins
from sidecar.domain.images import resolve
from sidecar.domain.logins import Login
from sidecar.domain.shell_text import as_lines
from sidecar.errors import JobFilesError, SlurmError, UnsupportedPod
from sidecar.pod_files import image_cache, registry_logins, script, supervisor
from sidecar.pod_files.image_cache import CachedImage
from sidecar.settings import Settings
from sidecar.slurm.process import Answer, Call, run

_HEAD = ("IMAGE", "NAMESPACE", "SIZE", "FETCHED", "USED", "JOBS")
_LONGEST_PULL_SECONDS = 86400.0


def show(settings: Settings, *, as_json: bool, now: datetime) -> None:
    """A table of the images in the cache."""
    found = image_cache.listed(settings.data_root_folder)
    if as_json:
        print_json([_as_json(image) for image in found])
    elif found:
        print_table(_HEAD, [_row(image, now) for image in found])
    else:
        note("no images; jobs fetch them, and 'slurm-sidecar image warm IMAGE'")


def _row(image: CachedImage, now: datetime) -> tuple[str, ...]:
    return (
        image.image,
        image.namespace or "-",
        _mib(image.size_bytes),
        f"{age((now - image.fetched_at).total_seconds())} ago",
        f"{age((now - image.used_at).total_seconds())} ago",
        ",".join(image.jobs) or "-",
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _as_json(image: CachedImage) -> dict[str, Any]:
    return {
        "image": image.image,
        "namespace": image.namespace or None,
        "digest": image.digest or None,
        "bytes": image.size_bytes,
        "fetched_at": iso(image.fetched_at),
        "used_at": iso(image.used_at),
        "jobs": list(image.jobs),
        "path": str(image.file),
    }


def warm(
    settings: Settings,
    names: Sequence[str],
    *,
    namespace: str,
    authfile: Path | None,
    environ: Mapping[str, str],
    as_json: bool,
) -> int:
    """Fetch images as jobs do; 1 when one could not be had.

    :param namespace: whose pods they are for, where a login is needed; empty: those that state none
    """
    if os.geteuid() == 0:
        raise JobFilesError("root fetches no images: run this as the user whose jobs shall find them (runuser -u USER)")
    namespace = namespace or settings.namespace
    known = _logins(authfile) + registry_logins.of_site(settings.registry_auth_file, namespace)
    wanted = [resolve(name, image_root="", image_prefix=settings.image_prefix) for name in names]
    if files := [name for name in wanted if name.startswith("/")]:
        raise UnsupportedPod(f"{files[0]} is a file, which jobs use as it is; there is nothing to fetch")
    results = []
    for image in wanted:
        login = logins.choose(image, known)
        key = image_cache.cache_key(image, namespace if login else "")
        answer = _pull(settings, image, key, login, namespace, environ)
        results.append({"image": image, "key": key, "error": _last_error(answer) if answer.code else None})
        if not as_json:
            say(f"{image} is in the cache") if not answer.code else note(f"{image}: {_last_error(answer)}")
    if as_json:
        print_json(_with_files(settings, results))
    return 1 if any(result["error"] for result in results) else 0


def _with_files(settings: Settings, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    cached = {image.key: _as_json(image) for image in image_cache.listed(settings.data_root_folder)}
    return [{"image": r["image"], "error": r["error"], "cached": cached.get(r["key"])} for r in results]


def _logins(file: Path | None) -> tuple[Login, ...]:
    if file is None:
        return ()
    try:
        return logins.parse(file.read_bytes())
    except ValueError as error:
        raise JobFilesError(f"{file}: {error}") from error


def _pull(
    settings: Settings, image: str, key: str, login: Login | None, namespace: str, environ: Mapping[str, str]
) -> Answer:
    """One pull as a job makes it, with the cache's lock."""
    site = job_site(settings)
    wanted = {
        "data_root": str(site.data_root),
        "image": image,
        "key": key,
        "namespace": namespace if login else "",
        "login": logins.as_config(login, image).decode() if login else "",
        "runtime": site.runtime,
        "runtime_program": site.runtime_program,
        "runtime_prefix": as_lines(site.runtime_prefix),
        "bash": site.bash_path,
    }
    with TemporaryDirectory(prefix="slurm-sidecar-warm-") as folder:
        file = Path(folder, "supervisor.pyz")
        file.write_bytes(supervisor.packed())
        argv = [site.bash_path, "-c", script.call_on_this_machine(site), "bash", str(file), "warm"]
        call = Call(
            argv=argv, environment=dict(environ), timeout_seconds=_LONGEST_PULL_SECONDS, text=json.dumps(wanted)
        )
        return run(call)


def _last_error(answer: Answer) -> str:
    lines = [line.strip() for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("FATAL", "ERROR"))]
    return (errors or lines or ["the runtime said nothing"])[-1]


def prune(
    settings: Settings, *, environ: Mapping[str, str], since: datetime, dry_run: bool, as_json: bool, now: datetime
) -> None:
    """Remove images that were not used since then and that no job uses, and leftovers of dead jobs.

    :raises SlurmError: squeue does not tell which jobs live, so nothing is removed
    """
    root = settings.data_root_folder
    live = _live_jobs(settings, environ)
    going = image_cache.unused(root, since=since, live_jobs=live)
    abandoned = 0
    if not dry_run:
        going = [image for image in going if image_cache.remove(image, since=since, live_jobs=live)]
        abandoned = image_cache.remove_abandoned(root, live_jobs=live, now=now)
    freed = sum(image.size_bytes for image in going)
    if as_json:
        print_json(
            {"removed": [_as_json(i) for i in going], "bytes": freed, "abandoned": abandoned, "dry_run": dry_run}
        )
        return
    for image in going:
        say(f"{'would remove' if dry_run else 'removed'} {image.image} ({_mib(image.size_bytes)})")
    left = f"; {abandoned} leftovers of dead jobs removed" if abandoned else ""
    say(f"{len(going)} images, {_mib(freed)}{left}")


def _live_jobs(settings: Settings, environ: Mapping[str, str]) -> set[str]:
    owners = image_cache.owners(settings.data_root_folder)
    try:
        jobs = slurm_client(settings, environ).squeue(owners)
    except SlurmError as error:
        raise SlurmError(f"squeue does not tell which jobs live, so nothing was removed: {error}") from error
    return {job.job_id for job in jobs if not job.state.is_terminal}
