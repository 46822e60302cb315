"""Every error this program raises on purpose.

One tree, so that one table (:mod:`sidecar.web.errors`) turns errors into HTTP statuses and the command line
turns them into one sentence. The text of an error is what a user reads in ``kubectl describe pod``: it says what
is wrong and what to do. A class's docstring is its default message.
"""

from __future__ import annotations


class SidecarError(Exception):
    """Something went wrong."""

    transient = False
    """Whether the same request may succeed later without anybody changing anything."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class InvalidSettings(SidecarError):
    """The configuration has problems."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class MalformedRequest(SidecarError):
    """The request cannot be read."""


class RequestTooLarge(SidecarError):
    """The request body is larger than this sidecar accepts."""


class UnsupportedPod(SidecarError):
    """The pod asks for something this sidecar cannot do."""


class NodeDraining(SidecarError):
    """The node takes no new pods."""

    transient = True


class CannotDrain(SidecarError):
    """Whether the node takes pods cannot be changed."""


class UnknownUser(UnsupportedPod):
    """There is no such Unix user."""


class UnknownPod(SidecarError):
    """This sidecar has no record of that pod."""


class LogUnavailable(SidecarError):
    """That log does not exist."""


class IllegalTransition(SidecarError):
    """The pod's lifecycle does not allow that event now."""


class StaleStream(SidecarError):
    """Another writer has appended to this pod's history first."""

    transient = True


class StoreError(SidecarError):
    """The database cannot be used."""


class StoreBusy(StoreError):
    """The database stayed locked by another program; try again."""

    transient = True


class AlreadyRunning(StoreError):
    """Another sidecar is using this database."""


class JobFilesError(SidecarError):
    """The pod's directory cannot be written or removed."""


class SlurmError(SidecarError):
    """Slurm answered with an error."""


class SlurmRefused(SlurmError):
    """Slurm refused the job."""


class SlurmUnreachable(SlurmError):
    """Slurm did not answer."""

    transient = True


class AccountingDisabled(SlurmError):
    """This cluster keeps no job accounting; sacct can never answer."""


class UnreadableSlurmOutput(SlurmError):
    """Slurm's answer was not understood."""


class CannotServe(SidecarError):
    """The daemon cannot start."""


class CannotListen(CannotServe):
    """The port or socket cannot be opened."""
