"""Logins for image registries: what Docker's configuration file says, and which entry is an image's.

They are secrets, kept out of ``repr``; no text of an error has a part of one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from sidecar.domain.references import DOCKER_HUB, repository_of

_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_NAMES_OF_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_SECRET_FIELDS = ("auth", "identitytoken", "registrytoken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One entry of ``auths``."""

    host: str
    """The registry, with its port; ``*`` stands for any one part of a name."""
    path: str = ""
    """Beginning of the repositories it is for; empty: all."""
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    """``auth`` or a token, as the file has it."""

    def fits(self, host: str, path: str) -> bool:
        """Whether it is for this repository."""
        own, given = self.host.split("."), host.split(".")
        is_host = len(own) == len(given) and all(map(fnmatchcase, given, own))
        return is_host and (not self.path or path == self.path or path.startswith(f"{self.path}/"))


def parse(text: bytes) -> tuple[Login, ...]:
    """The entries of a ``.dockerconfigjson`` or a ``config.json``.

    :raises ValueError: it has another form; the text has nothing of its content

    Source: https://kubernetes.io/docs/concepts/containers/images/#config-json
    """
    try:
        document = json.loads(text)
        auths = document.get("auths") or {}
        return tuple(_login(key, entry) for key, entry in auths.items() if entry)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise ValueError('it is not {"auths": {"REGISTRY": {"auth": "..."}}} with base64 of USER:PASSWORD') from None


def parse_old(text: bytes) -> tuple[Login, ...]:
    """The entries of a ``.dockercfg``, which has them at the top.

    :raises ValueError: as :func:`parse`
    """
    return parse(b'{"auths": ' + text + b"}")


def _login(key: str, entry: dict[str, str]) -> Login:
    place = key.partition("://")[2] or key
    host, _, path = place.strip("/").partition("/")
    path = "" if path in ("v1", "v2") else path
    host = DOCKER_HUB if host in _NAMES_OF_DOCKER_HUB else host
    return Login(host=host, path=path, fields=tuple(_secrets(entry)))


def _secrets(entry: dict[str, str]) -> Iterator[tuple[str, str]]:
    given = {name: entry[name] for name in _SECRET_FIELDS if entry.get(name)}
    if not given:
        given["auth"] = base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()
    for name, value in given.items():
        if name == "auth" and b":" not in _decoded(value):
            raise ValueError
        yield name, value


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None


def choose(image: str, logins: Iterable[Login]) -> Login | None:
    """The login for an image: the one for most of its name, the first of several.

    :param image: as the runtime is given it
    """
    repository = repository_of(image)
    if repository is None:
        return None
    fitting = [login for login in logins if login.fits(*repository)]
    return max(fitting, key=lambda login: len(login.path), default=None)


def as_config(login: Login, image: str) -> bytes:
    """A ``config.json`` with this one login under the name by which the runtime looks for it.

    Source: https://github.com/apptainer/apptainer, internal/pkg/util/ociauth/ociauth.go
    """
    host, _ = repository_of(image) or (login.host, "")
    key = _DOCKER_HUB_KEY if host == DOCKER_HUB else host
    return json.dumps({"auths": {key: dict(login.fields)}}).encode()
