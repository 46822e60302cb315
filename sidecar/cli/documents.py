"""YAML as kubectl reads it: files, ``-`` for standard input, several documents, kind ``List``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sidecar.errors import MalformedRequest

Document = dict[str, Any]

_UNKNOWN_TO_KUBECTL = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
"""kubectl leaves dates and a lone ``=`` as the text they are."""
_NUMBERS_IN_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without the meanings that kubectl's YAML does not have (``12:30`` is a text)."""


def _without(resolvers: list[tuple[str, re.Pattern[str]]]) -> list[tuple[str, re.Pattern[str]]]:
    kept = [(tag, pattern) for tag, pattern in resolvers if tag not in _UNKNOWN_TO_KUBECTL]
    return [("tag:yaml.org,2002:str", _NUMBERS_IN_BASE_60), *kept]


_Loader.yaml_implicit_resolvers = {
    first: _without(resolvers) if first else resolvers
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> list[Document]:
    """All documents of a file, Lists taken apart.

    :param path: ``-`` is standard input
    :raises MalformedRequest: it cannot be read, or is not YAML; nothing of its content is in the text
    """
    text = _text(path)
    try:
        documents = [_json(document) for document in yaml.load_all(text, _Loader)]
    except yaml.YAMLError as error:
        raise MalformedRequest(_syntax_sentence(path, error)) from error
    except RecursionError as error:
        raise MalformedRequest(f"{path} is nested too deeply, or contains itself") from error
    return list(_flat(documents, path))


def _text(path: Path) -> str:
    try:
        return sys.stdin.buffer.read().decode() if str(path) == "-" else path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except FileNotFoundError as error:
        raise MalformedRequest(f"there is no file {path}; give the path of a manifest, or - to read it here") from error
    except OSError as error:
        raise MalformedRequest(f"{path} cannot be read: {error.strerror}") from error


def _syntax_sentence(path: Path, error: yaml.YAMLError) -> str:
    """PyYAML's own text quotes the file, which may hold secrets."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{path}:{error.problem_mark.line + 1}: this is not valid YAML: {error.problem}"
    return f"{path} is not valid YAML: it holds a character that YAML does not allow"


def _json(value: Any) -> Any:
    """The value with keys as JSON has them."""
    if isinstance(value, dict):
        return {_key(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json(item) for item in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def _flat(documents: list[Any], path: Path) -> Iterator[Document]:
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
            raise MalformedRequest(f"{path} is no Kubernetes manifest: a document without a kind")
        if document["kind"] == "List":
            items = document.get("items")
            yield from _flat(items if isinstance(items, list) else [], path)
        else:
            yield document
