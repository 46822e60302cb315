"""Following a submitted pod to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sidecar.cli.client import DaemonClient
from sidecar.cli.console import clean

INTERVAL_SECONDS = 0.5

Entry = dict[str, Any]
"""One pod's entry in an answer of ``/status``."""


def wait(client: DaemonClient, pod: dict[str, Any]) -> Entry:
    """Follow a pod until all its containers have ended, showing what it does on standard error.

    :raises KeyboardInterrupt: the person stopped waiting
    :raises DaemonUnreachable: the daemon stopped answering
    """
    with _status_line() as show:
        while True:
            entry = client.status(pod)
            if _has_ended(entry):
                return entry
            show(describe(entry))
            time.sleep(INTERVAL_SECONDS)


def _has_ended(entry: Entry) -> bool:
    return all("terminated" in container["state"] for container in entry["containers"])


def describe(entry: Entry) -> str:
    """What the pod does now, in a line."""
    everyone = [*entry["initContainers"], *entry["containers"]]
    parts = [_running(c) for c in everyone if "running" in c["state"]]
    parts += [_ended(c) for c in everyone if "terminated" in c["state"]]
    waiting = [c["state"]["waiting"] for c in everyone if "waiting" in c["state"]]
    if waiting and not any("running" in c["state"] for c in everyone):
        parts.insert(0, waiting[0].get("message") or waiting[0].get("reason") or "waiting")
    return "; ".join(parts)


def _running(container: Entry) -> str:
    again = f" (restart {container['restartCount']})" if container["restartCount"] else ""
    return f"{container['name']} is running{again}"


def _ended(container: Entry) -> str:
    return f"{container['name']} ended with exit code {container['state']['terminated']['exitCode']}"


def exit_code(entry: Entry) -> int:
    """The first failing main container's code; 0 when all went well."""
    codes = [container["state"]["terminated"]["exitCode"] for container in entry["containers"]]
    return next((code for code in codes if code), 0)


def verdict(entry: Entry) -> str:
    """How the pod ended, in a line."""
    if not exit_code(entry):
        return "succeeded"
    everyone = [*entry["initContainers"], *entry["containers"]]
    failed = next(c for c in everyone if c["state"].get("terminated", {}).get("exitCode"))
    end = failed["state"]["terminated"]
    why = end.get("message") or (end["reason"] if end["reason"] != "Error" else "")
    return f"failed: container {failed['name']} ended with exit code {end['exitCode']}{f' ({why})' if why else ''}"


@contextmanager
def _status_line() -> Iterator[Callable[[str], None]]:
    """A line that changes in place on a terminal; elsewhere a new line for each change."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.markup import escape

        with Console(stderr=True).status("submitted") as status:
            yield lambda text: status.update(escape(clean(text)))
        return
    last = ""

    def show(text: str) -> None:
        nonlocal last
        if text != last:
            print(clean(text), file=sys.stderr, flush=True)
            last = text

    yield show
