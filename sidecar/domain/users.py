"""Which Unix user a pod's job runs as. Never root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.errors import UnsupportedPod


@dataclass(frozen=True, slots=True, kw_only=True)
class JobUser:
    """A user that root does things for, as the machine's user database describes it."""

    uid: int
    gid: int
    """The group of the job's processes and files: the user's primary one, or another that the user is in."""
    groups: tuple[int, ...] = ()
    name: str = ""
    home: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPolicy:
    """Whose jobs the daemon may submit.

    A daemon that runs as an ordinary user submits its own jobs only. One that runs as root submits those of
    ``DefaultUID``, of a flavor's ``UID``, and of whom a pod names among ``AllowedUIDs``.
    """

    own_uid: int | None = None
    """The user the daemon runs as; ``None``: a user whose id does not matter."""
    own_gid: int | None = None
    default_uid: int | None = None
    allowed: tuple[range, ...] = ()

    @property
    def is_root(self) -> bool:
        """Whether jobs run as other users than the daemon."""
        return self.own_uid == 0


class FlavorUser(Protocol):
    """What of a flavor decides about users."""

    @property
    def uid(self) -> int | None:
        """The user of the flavor's jobs."""


def choose(
    asked_uid: int | None,
    asked_gid: int | None,
    *,
    policy: UserPolicy,
    flavor: FlavorUser | None,
    flavors: Mapping[str, FlavorUser],
) -> int | None:
    """The user of a pod's job; ``None``: the daemon's own.

    :param asked_uid: the pod's ``runAsUser``
    :param asked_gid: the pod's ``runAsGroup``, which a daemon that runs as root checks when it knows the user's groups
    :raises UnsupportedPod: the pod asks for a user or a group that it may not have
    """
    if not policy.is_root:
        _only_own(asked_uid, asked_gid, policy)
        return policy.own_uid
    mine = [uid for uid in (policy.default_uid, *(f.uid for f in flavors.values())) if uid]
    if asked_uid is not None and asked_uid not in mine and not any(asked_uid in some for some in policy.allowed):
        raise UnsupportedPod(
            f"securityContext.runAsUser: pods may not run as UID {asked_uid} at this site (AllowedUIDs); leave it out"
        )
    chosen = asked_uid or (flavor.uid if flavor else None) or policy.default_uid
    if not chosen:
        raise UnsupportedPod("this site names no user for this pod (DefaultUID); ask its administrator")
    return chosen


def _only_own(asked_uid: int | None, asked_gid: int | None, policy: UserPolicy) -> None:
    if asked_uid not in (None, policy.own_uid):
        raise UnsupportedPod(f"securityContext.runAsUser: jobs run as UID {policy.own_uid} here; leave it out")
    if asked_gid not in (None, policy.own_gid):
        raise UnsupportedPod(f"securityContext.runAsGroup: jobs run as GID {policy.own_gid} here; leave it out")
