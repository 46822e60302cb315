"""Image names: what the pod says and what the container runtime is given."""

from __future__ import annotations

import re

from sidecar.domain import references
from sidecar.domain.pod import PullPolicy
from sidecar.errors import UnsupportedPod

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|(docker-archive|docker-daemon|oci|oci-archive):")
"""URIs Apptainer knows. Source: https://apptainer.org/docs/user/latest/cli/apptainer_pull.html"""
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f]")


def resolve(image: str, *, image_root: str, image_prefix: str) -> str:
    """What the runtime is given for an image of a pod.

    A URI or an absolute path stays as it is. Before any other name goes the pod's ``image-root`` or else the site's
    ``ImagePrefix``; with neither it is an image of a registry, ``docker.io`` unless the name begins with another
    (as in https://kubernetes.io/docs/concepts/containers/images/#image-names).

    A digest says which image it is, so the tag before it is left out, as a kubelet does.

    :raises UnsupportedPod: the name is empty, begins with a dash, contains white space, or is none that a registry has
    """
    if not image or image.startswith("-") or _UNSAFE.search(image):
        raise UnsupportedPod(f"InvalidImageName: {image!r} is not the name of an image")
    if not image.startswith("/") and not _SCHEME.match(image):
        prefix = image_root or image_prefix or "docker://"
        image = (f"{prefix}/" if prefix.startswith("/") and not prefix.endswith("/") else prefix) + image
    if not image.startswith(references.SCHEMES):
        return image
    try:
        return references.checked(image)
    except ValueError as error:
        raise UnsupportedPod(f"InvalidImageName: {error}") from error


def default_pull_policy(image: str) -> PullPolicy:
    """Kubernetes' rule: ``Always`` for the tag ``latest`` or none, otherwise ``IfNotPresent``.

    Source: https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting
    """
    if "@" in image:
        return PullPolicy.IF_NOT_PRESENT
    tag = image.rpartition("/")[2].partition(":")[2]
    return PullPolicy.ALWAYS if tag in ("", "latest") else PullPolicy.IF_NOT_PRESENT
