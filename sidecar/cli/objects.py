"""The ConfigMaps and Secrets that a manifest brings along."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.cli import shapes
from sidecar.cli.documents import Document
from sidecar.errors import MalformedRequest, UnsupportedPod

CONFIG_MAP = "ConfigMap"
SECRET = "Secret"  # noqa: S105 - a kind


@dataclass(frozen=True, slots=True)
class Stored:
    """One ConfigMap or Secret."""

    kind: str
    name: str
    content: Mapping[str, bytes] = field(repr=False)
    wire: Mapping[str, Any] = field(repr=False)
    """As interLink sends it: binary and secret values in base64, no ``stringData``."""


class Objects:
    """What pods of one namespace can refer to."""

    def __init__(self, documents: Iterable[Document], *, namespace: str, default_namespace: str) -> None:
        self._namespace = namespace
        found = [_stored(document) for document in documents if document["kind"] in (CONFIG_MAP, SECRET)]
        self._by_key = {
            (stored.kind, stored.name): stored for place, stored in found if (place or default_namespace) == namespace
        }

    def get(self, kind: str, name: str, where: str, *, optional: bool | None) -> Stored | None:
        """The object, or ``None`` for an optional one that is missing.

        :raises UnsupportedPod: it is missing
        """
        stored = self._by_key.get((kind, name))
        if stored is None and not optional:
            raise UnsupportedPod(
                f"{where}: the manifest has no {kind} {name!r} in namespace {self._namespace}; "
                "add it as another document (the sidecar cannot ask Kubernetes for it)"
            )
        return stored

    def value(self, kind: str, reference: shapes.KeyRef, where: str) -> bytes | None:
        """The value of one key, or ``None`` for an optional one that is missing.

        :raises UnsupportedPod: the object or the key is missing
        """
        stored = self.get(kind, reference.name, where, optional=reference.optional)
        if stored is None:
            return None
        if reference.key not in stored.content and not reference.optional:
            raise UnsupportedPod(f"{where}: {kind} {reference.name!r} has no key {reference.key!r}")
        return stored.content.get(reference.key)


def _stored(document: Document) -> tuple[str, Stored]:
    """The object with its namespace (empty where it states none)."""
    return _config_map(document) if document["kind"] == CONFIG_MAP else _secret(document)


def _config_map(document: Document) -> tuple[str, Stored]:
    read = shapes.read(document, shapes.ConfigMap, CONFIG_MAP)
    where = f"{CONFIG_MAP} {read.metadata.name}"
    content = {key: text.encode() for key, text in (read.data or {}).items()}
    content |= {key: _decoded(text, where, key) for key, text in (read.binary_data or {}).items()}
    wire = {"metadata": document["metadata"], "data": read.data or {}}
    if read.binary_data:
        wire["binaryData"] = {key: encoded(content[key]) for key in read.binary_data}
    return read.metadata.namespace, Stored(CONFIG_MAP, read.metadata.name, content, wire)


def _secret(document: Document) -> tuple[str, Stored]:
    """``stringData`` wins over ``data``: https://kubernetes.io/docs/concepts/configuration/secret/"""
    read = shapes.read(document, shapes.Secret, SECRET)
    where = f"{SECRET} {read.metadata.name}"
    content = {key: _decoded(text, where, key) for key, text in (read.data or {}).items()}
    content |= {key: text.encode() for key, text in (read.string_data or {}).items()}
    data = {key: encoded(value) for key, value in content.items()}
    wire = {"metadata": document["metadata"], "data": data, "type": read.type}
    return read.metadata.namespace, Stored(SECRET, read.metadata.name, content, wire)


def encoded(value: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(value).decode()


def _decoded(text: str, where: str, key: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest(
            f"{where}: the value of {key!r} is not base64; plain text belongs under stringData (Secret) or data "
            "(ConfigMap)"
        ) from None
