"""``imagePullSecrets``: logins for registries, where the Secrets have arrived.

interLink sends the Secrets that a pod mounts and no others, so a pull secret arrives only where a container mounts it
too: https://github.com/interlink-hq/interLink/blob/main/pkg/virtualkubelet/execute.go
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from sidecar.domain import logins
from sidecar.domain.logins import Login
from sidecar.errors import MalformedRequest
from sidecar.wire import kubernetes as kube

_FORMS = {".dockerconfigjson": logins.parse, ".dockercfg": logins.parse_old}
"""By the only key of such a Secret: https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets"""


def read_pull_secrets(
    spec: kube.PodSpec, retrieved: Sequence[kube.RetrievedContainer]
) -> tuple[tuple[Login, ...], tuple[str, ...]]:
    """The logins in the pod's order, and notes about Secrets that are not there.

    :raises MalformedRequest: a Secret has not the form of one for registries
    """
    arrived = {secret.metadata.name: secret for container in retrieved for secret in container.secrets or []}
    found: list[Login] = []
    notes = []
    for reference in spec.image_pull_secrets or []:
        if secret := arrived.get(reference.name):
            found += _logins(secret)
        else:
            notes.append(
                f"imagePullSecrets: Secret {reference.name} did not arrive (interLink sends only Secrets that a "
                "container mounts); images are pulled with the site's RegistryAuthFile, or without a login"
            )
    return tuple(found), tuple(notes)


def _logins(secret: kube.Secret) -> tuple[Login, ...]:
    where = f"imagePullSecrets: Secret {secret.metadata.name}"
    for key, parse in _FORMS.items():
        if key in (secret.data or {}):
            try:
                return parse(base64.b64decode((secret.data or {})[key], validate=True))
            except (binascii.Error, ValueError) as error:
                text = "it is not base64" if isinstance(error, binascii.Error) else str(error)
                raise MalformedRequest(f"{where}: {key}: {text}") from None
    raise MalformedRequest(
        f"{where}: it has no .dockerconfigjson; make it with 'kubectl create secret docker-registry'"
    )
