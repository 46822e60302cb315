"""Fetching one image into the cache as a job does, for the daemon's ``image warm``."""

import os
import signal

from sidecar.runner.node.image_cache import find_cache
from sidecar.runner.node.image_pull import Pull, Shell, Wanted
from sidecar.runner.runtimes.choice import pull_runtime
from sidecar.runner.shell_environment import left_by_shell
from sidecar.runner.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TypedDict

    from sidecar.runner.node.image_cache import ImageCache
    from sidecar.runner.node.image_pull import PullRuntime

    class WarmDocument(TypedDict):
        """What ``image warm`` writes to this program's standard input."""

        data_root: str
        image: str
        key: str
        namespace: str
        """Whose the image is, where a login is needed."""
        login: str
        """The text of a ``config.json``; empty: none."""
        runtime: str
        runtime_program: str
        runtime_prefix: str
        bash: str


def warm(wanted: "WarmDocument") -> int:
    """Fetch one image, whether it is there or not; what the pull says goes to the standard output.

    :param runtime_in: the runtime, which may keep what it needs in a folder that goes afterwards
    :returns: 0, or why the image could not be fetched: 1, or ``TRY_LATER``
    """
    import tempfile

    os.umask(0o077)
    signal.signal(signal.SIGTERM, _leave)  # or the login would stay on the disk
    os.makedirs(wanted["data_root"], exist_ok=True)
    private = tempfile.mkdtemp(prefix="slurm-sidecar-warm-")
    try:
        runtime = pull_runtime(wanted["runtime"], wanted["runtime_program"], private)
        return _warm(wanted, runtime, private)
    finally:
        files.remove(private)


def _leave(number: int, _: object) -> "NoReturn":
    raise SystemExit(128 + number)


def _warm(wanted: "WarmDocument", runtime: "PullRuntime", private: str) -> int:
    job = f"warm-{os.getpid()}"
    cache = find_cache(wanted["data_root"], private, job)
    if cache.folder.startswith(private):
        folder = f"{wanted['data_root']}/.images/{os.geteuid()}"
        print(f"ERROR: {folder} cannot be written; run this as the user the jobs run as", flush=True)
        return 1
    try:
        return _pull_of(wanted, cache, runtime, private).run()
    finally:
        files.remove(cache.files(wanted["key"]).part(job, "warm"))


def _pull_of(wanted: "WarmDocument", cache: "ImageCache", runtime: "PullRuntime", private: str) -> Pull:
    login_file = ""
    if wanted["login"]:
        login_file = os.path.join(private, "auth.json")
        with open(login_file, "w") as file:
            file.write(wanted["login"])
    return Pull(
        cache,
        runtime,
        Shell(wanted["bash"], wanted["runtime_prefix"], left_by_shell()),
        Wanted(
            image=wanted["image"],
            key=wanted["key"],
            namespace=wanted["namespace"],
            container="warm",
            only_if_absent=False,
        ),
        login_file,
    )
