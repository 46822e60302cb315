"""What Slurm's programs say when they fail: the words for people, and whether trying again can help.

The exit code alone says that a call failed; these words only say why.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from sidecar.errors import AccountingDisabled, SlurmError, SlurmRefused, SlurmUnreachable
from sidecar.slurm.process import Answer

_OWN_LINE = re.compile(r"(?:sbatch|scancel|squeue|sacct|sinfo|slurm_\w+)(?: error)?: (?:(?:error|fatal): )?(.+)")
"""A line of Slurm's own: ``sbatch: error: ...`` or ``slurm_load_jobs error: ...``."""

_MAX_LINES = 5
_MAX_CHARACTERS = 500

_TRANSIENT = re.compile(
    "|".join(
        (
            # The controller or the network, src/common/slurm_errno.c: the job may or may not have been taken.
            "Unable to contact slurm controller",
            "Socket timed out",
            "Zero Bytes were transmitted",
            r"(?:connection|send|receive|shutdown) failure",
            "Connection (?:refused|reset|timed out)",
            "No route to host|Network is unreachable|Transport endpoint is not connected|Broken pipe",
            "standby mode",
            "Rate limit exceeded",
            "controller not responding",
            # munge down or keys being exchanged: the same file, and src/plugins/auth/munge/auth_munge.c.
            "Protocol authentication error|Invalid authentication credential|Authentication credential expired",
            "[Mm]unge|auth_g_create",
            # The controller has no room just now; sbatch has retried already, src/sbatch/sbatch.c.
            "temporarily unable to accept job|Resource temporarily unavailable|Job creation temporarily disabled",
            "job queue full|Unable to create job record|MaxJobCount limit reached|Requested nodes are busy",
            "I/O error writing script/environment to file",
            "System submissions disabled",
            # The database, the configuration server, the file system that slurm.conf lies on.
            "[Uu]nable to connect to database|Problem talking to the database|DB index is being set",
            "configuration source|Unable to process configuration file",
        )
    )
)
"""Phrases after which the same call may succeed later.

Source: https://github.com/SchedMD/slurm/blob/master/src/common/slurm_errno.c
"""

_TOO_LONG = "parameter too long"
_TOO_LONG_HINT = (
    "; a script larger than Slurm's max_script_size is refused with these words, and with SHARED_FS=false the contents "
    "of the pod's volumes are in it"
)
"""Tried with 22.05; source of the limit: https://slurm.schedmd.com/slurm.conf.html#OPT_max_script_size=#"""
_NO_ACCOUNTING = "accounting storage is disabled"
"""sacct where ``AccountingStorageType`` is not set: https://slurm.schedmd.com/accounting.html."""


def refusal(program: str, answer: Answer) -> SlurmError:
    """The error for a failed submission: definite, or :class:`SlurmUnreachable` when the job may exist all the same.

    sbatch itself exits with 1 (or a site's ``SLURM_EXIT_ERROR``, or 255); a shell that wraps it reports 126 and up for
    an sbatch that could not be started or was killed.
    """
    message = words(program, answer)
    if answer.code < 0 or 126 <= answer.code < 255 or _is_transient(answer.stderr):
        return SlurmUnreachable(message)
    return SlurmRefused(message + (_TOO_LONG_HINT if _TOO_LONG in answer.stderr else ""))


def failure(program: str, answer: Answer) -> SlurmError:
    """The error for any other failed call."""
    message = words(program, answer)
    if _NO_ACCOUNTING in answer.stderr:
        return AccountingDisabled()
    if answer.code < 0 or _is_transient(answer.stderr):
        return SlurmUnreachable(message)
    return SlurmError(message)


def words(program: str, answer: Answer) -> str:
    """Slurm's own words in one line, without prefixes and without a site's banner."""
    lines = _own_lines(answer.stderr) or _lines(answer.stderr)
    if not lines:
        return f"{Path(program).name} {_ending(answer.code)} and said nothing"
    return textwrap.shorten("; ".join(lines[-_MAX_LINES:]), _MAX_CHARACTERS, placeholder=" ...")


def _ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"


def _is_transient(stderr: str) -> bool:
    """Judge by the last line: earlier ones tell of retries that may have led to a definite answer."""
    lines = _own_lines(stderr) or _lines(stderr)
    return bool(lines and _TRANSIENT.search(lines[-1]))


def _own_lines(stderr: str) -> list[str]:
    return [match[1] for line in _lines(stderr) if (match := _OWN_LINE.fullmatch(line))]


def _lines(stderr: str) -> list[str]:
    return [line.strip() for line in stderr.splitlines() if line.strip()]
