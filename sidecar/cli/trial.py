"""A job that runs no pod, but shows what its node can do: its files, and what it has answered."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.domain.plan import JobPlan
from sidecar.domain.shell_text import as_lines
from sidecar.domain.users import JobUser
from sidecar.errors import JobFilesError
from sidecar.job_output import output
from sidecar.pod_files import directory, script, supervisor
from sidecar.pod_files.paths import ABANDONED_PREFIXES, PodDirectory
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract.node_report import MARK
from sidecar.system.users import acting_as_owner_of

if TYPE_CHECKING:
    from sidecar.runner.contract.node_report import NodeReport, WantedOfNode


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """What the job has left."""

    report: NodeReport | None
    """``None``: it did not come so far."""
    words: str
    """What else is in its output: the site's shell text, or what went wrong."""


@contextmanager
def files_of_trial(plan: JobPlan, site: JobSite, *, image: str, user: JobUser | None) -> Iterator[PodDirectory]:
    """The job's directory with its script, for as long as the job may need it.

    :param image: to start a container of; empty: none
    :raises JobFilesError: it cannot be written
    """
    root = site.data_root / f"{ABANDONED_PREFIXES[0]}check-{secrets.token_hex(4)}"
    files = PodDirectory(root)
    try:
        if site.shared_fs:
            supervisor.install(site.data_root)
        _write(files, script.check_script(plan, _wanted(plan, site, root, image), directory=files, site=site), user)
        yield files
    except OSError as error:
        raise JobFilesError(f"{root} cannot be written: {error.strerror}") from error
    finally:
        with suppress(JobFilesError):
            directory.remove(files)


def _write(files: PodDirectory, text: str, user: JobUser | None) -> None:
    files.root.mkdir(mode=0o700)
    if user is not None:
        os.chown(files.root, user.uid, user.gid, follow_symlinks=False)
    with acting_as_owner_of(files.root):
        files.script.write_text(text)


def _wanted(plan: JobPlan, site: JobSite, root: Path, image: str) -> WantedOfNode:
    [planned] = plan.containers
    return {
        "folder": str(root) if site.shared_fs else "",
        "runtime": site.runtime,
        "runtime_program": site.runtime_program,
        "runtime_prefix": as_lines(site.runtime_prefix),
        "runtime_options": list(planned.runtime_options),
        "bash": site.bash_path,
        "image": image,
        "writable": planned.is_writable,
    }


def has_answered(files: PodDirectory) -> bool:
    """Whether the job's output is there; a shared file system shows it with a delay."""
    return bool(output.last_words(files))


def answer_of(files: PodDirectory) -> TrialAnswer:
    """What the job has left in its output."""
    report: NodeReport | None = None
    words = []
    for line in output.last_words(files).splitlines():
        if line.startswith(MARK):
            with suppress(ValueError):
                report = json.loads(line.removeprefix(MARK))
        elif line.strip():
            words.append(line.strip())
    return TrialAnswer(report=report, words="; ".join(words[-3:]))
