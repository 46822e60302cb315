"""Names of images in registries: ``[REGISTRY/]NAME[:TAG][@DIGEST]``.

Source: https://pkg.go.dev/github.com/distribution/reference
"""

from __future__ import annotations

import re

DOCKER_HUB = "docker.io"
SCHEMES = ("docker://", "oras://")
"""Of images in registries; others are files, or addresses of them."""

_HOST = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?P<tag>:\w[\w.-]{{0,127}})?"
    r"(?P<digest>@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128}))?",
    re.ASCII,
)
_LONGEST_NAME = 255


def checked(uri: str) -> str:
    """The URI of an image in a registry; without its tag where it has a digest, which alone decides.

    :raises ValueError: it is none; the text says what is expected
    """
    scheme, separator, reference = uri.partition("://")
    match = _REFERENCE.fullmatch(reference)
    if match is None or len(match["name"]) > _LONGEST_NAME:
        hint = "; names are in lower case" if _REFERENCE.fullmatch(reference.lower()) else ""
        raise ValueError(f"{reference!r} is not [REGISTRY/]NAME[:TAG][@sha256:DIGEST]{hint}")
    return f"{scheme}{separator}{match['name']}{match['digest'] or match['tag'] or ''}"


def repository_of(uri: str) -> tuple[str, str] | None:
    """The registry's host and the repository's path, or ``None`` where the image is in no registry.

    A first part without dot or colon is no host: the image is Docker Hub's.
    """
    scheme = next((scheme for scheme in SCHEMES if uri.startswith(scheme)), None)
    match = _REFERENCE.fullmatch(uri[len(scheme) :]) if scheme else None
    if match is None:
        return None
    first, slash, rest = match["name"].partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return DOCKER_HUB, match["name"] if slash else f"library/{match['name']}"


def digest_of(uri: str) -> str:
    """The digest that the name states, such as ``sha256:...``; empty where it states none."""
    return uri.rpartition("@")[2] if "@" in uri and repository_of(uri) else ""
