"""What the supervisor can be told to do."""

import os
import sys

from sidecar.runner.contract import layout
from sidecar.runner.contract.exit_codes import CANNOT_RUN
from sidecar.runner.contract.pod_document import UnreadableDocument, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List

    from sidecar.runner.contract.pod_document import PodDocument


class CannotBegin(Exception):
    """The job ends before anything of the pod has run; the text says why."""


def _run(arguments: "List[str]") -> int:
    from sidecar.runner.supervise import supervise
    from sidecar.runner.system.folders import remove_tree

    directory, files, private, began_at = arguments
    try:
        document = _document(files)
    except CannotBegin:
        if private:
            remove_tree(private)
        raise
    private = private or _private()
    return supervise(document, directory=directory, files_root=files, private=private, began_at=float(began_at))


def _private() -> str:
    from sidecar.runner.private_folder import make_private

    wanted = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    try:
        folder = make_private(wanted)
    except OSError as error:
        where = f"{wanted} or /tmp on node {os.uname().nodename}"
        raise CannotBegin(
            f"no folder can be made in {where}: {error.strerror}; are they there, with free space?"
        ) from error
    os.environ["TMPDIR"] = os.path.join(folder, "tmp")
    return folder


def _proxy(arguments: "List[str]") -> int:
    from sidecar.runner.node.network import NoProxy, open_proxy

    files, private = arguments
    try:
        open_proxy(_document(files), private)
    except NoProxy as error:
        raise CannotBegin(str(error)) from error
    return 0


def _tunnels(arguments: "List[str]") -> int:
    from sidecar.runner.node.network import run_tunnels

    files, private = arguments
    run_tunnels(_document(files), private)
    return 0


def _rank(arguments: "List[str]") -> int:
    from sidecar.runner.mpi import run_rank
    from sidecar.runner.runtimes.mpi_launcher import prepare_rank

    return run_rank(arguments[0], prepare_rank)


def _clean_ranks(arguments: "List[str]") -> int:
    from sidecar.runner.mpi import remove_ranks

    remove_ranks(arguments[0])
    return 0


def _warm(_: "List[str]") -> int:
    import json

    from sidecar.runner.node.image_warm import warm

    return warm(json.loads(sys.stdin.read()))


def _compile(arguments: "List[str]") -> int:
    from sidecar.runner.compiled import keep_compiled

    keep_compiled(os.path.abspath(sys.argv[0]))
    return 0


def _document(folder: str) -> "PodDocument":
    path = os.path.join(folder, layout.DOCUMENT)
    try:
        with open(path, "rb") as file:
            return decode(file.read())
    except UnreadableDocument as error:
        raise CannotBegin(f"{path} cannot be run: {error}") from error
    except OSError as error:
        raise CannotBegin(f"{path} cannot be read: {error.strerror}") from error


def _telling(verb: "Callable[[List[str]], int]") -> "Callable[[List[str]], int]":
    def told(arguments: "List[str]") -> int:
        try:
            return verb(arguments)
        except CannotBegin as error:
            sys.stderr.write(f"slurm-sidecar: {error}\n")
            return CANNOT_RUN

    return told


VERBS: "Dict[str, Callable[[List[str]], int]]" = {
    "run": _telling(_run),
    "proxy": _telling(_proxy),
    "tunnels": _telling(_tunnels),
    "rank": _rank,
    "clean-ranks": _clean_ranks,
    "warm": _warm,
    "compile": _compile,
}
