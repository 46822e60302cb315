"""Images of containers: files are used as they are; anything else is fetched into the cache first.

So a failed pull is told from a failed command.
"""

import os

from sidecar.runner.contract.exit_codes import KILLED, TRY_LATER
from sidecar.runner.node.image_cache import find_cache, remove_leftovers
from sidecar.runner.system import files, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping, Optional

    from sidecar.runner.contract.layout import PodFiles
    from sidecar.runner.contract.pod_document import ContainerDocument, SiteDocument
    from sidecar.runner.node.image_cache import ImageCache
    from sidecar.runner.node.image_pull import Pull, PullRuntime
    from sidecar.runner.system.event_loop import Loop

MAX_TRANSIENT_TRIES = 5
_LOCAL_TRANSPORTS = ("docker-archive:", "docker-daemon:", "oci:", "oci-archive:")
_TAIL_BYTES = 16 * 1024


class Pulled:
    """What came of one try to have an image."""

    def __init__(self, *, file: str = "", words: str = "", may_pass: bool = False) -> None:
        self.file = file
        """What the runtime can start; empty: there is none."""
        self.words = words
        """Why there is none."""
        self.may_pass = may_pass
        """Whether another try may well succeed."""


def gives_up(restart_policy: str, may_pass: bool, tries: int) -> bool:
    """Whether a pod ends for lack of an image, after so many tries.

    A kubelet never gives up, but here the time until then is paid for. A pod that shall always run is the exception:
    its controller would replace it at once by the next that fails.
    """
    if restart_policy == "Always":
        return False
    return not may_pass or tries > MAX_TRANSIENT_TRIES


def is_file(image: str) -> bool:
    """Whether an image's name is a path on the node, and nothing that is fetched."""
    return "://" not in image and not image.startswith(_LOCAL_TRANSPORTS)


class ImageStore:
    """Where the containers of one job get their images."""

    def __init__(
        self,
        loop: "Loop",
        site: "SiteDocument",
        job: str,
        pod_files: "PodFiles",
        private: str,
        *,
        node: str,
        environment: "Optional[Mapping[bytes, bytes]]" = None,
    ) -> None:
        """
        :param private: a folder of this job on the node, which nobody else can read
        :param node: its name, for messages
        :param environment: of the runtime; ``None``: this program's
        """
        self._loop = loop
        self._site = site
        self._job = job
        self._pod_files = pod_files
        self._private = private
        self._node = node
        self._environment = os.environb if environment is None else environment

    async def fetch_once(
        self, container: "ContainerDocument", runtime: "PullRuntime", on_pulling: "Callable[[], None]"
    ) -> Pulled:
        """Try to have a container's image. Whoever cancels this breaks the pull off.

        :param on_pulling: is called before something is fetched, and not where the image is there already
        """
        try:
            return await self._fetch(container, runtime, on_pulling)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            return self._refuse(container, f"the image cannot be stored: {error.strerror}{where}")

    async def _fetch(
        self, container: "ContainerDocument", runtime: "PullRuntime", on_pulling: "Callable[[], None]"
    ) -> Pulled:
        image, policy = container["image"], container["pull_policy"]
        if is_file(image):
            if os.path.exists(image):
                return Pulled(file=image)
            return self._refuse(container, f"there is no image file {image} on node {self._node}")
        cache = find_cache(self._site["data_root"], self._private, self._job)
        file = "" if policy == "Always" else cache.use(container["image_keys"], container["name"])
        if file:
            return Pulled(file=file)
        if policy == "Never":
            return self._refuse(container, f"{image} was never fetched here, and imagePullPolicy is Never")
        on_pulling()
        return await self._pull(cache, container, runtime)

    async def _pull(self, cache: "ImageCache", container: "ContainerDocument", runtime: "PullRuntime") -> Pulled:
        code = await self._run_pull(cache, container, runtime)
        if code != 0:
            return self._failure(container, code)
        file = cache.use(container["image_keys"], container["name"])
        if file:
            return Pulled(file=file)
        return self._refuse(container, f"{container['image']} was removed right after it was fetched", may_pass=True)

    async def _run_pull(self, cache: "ImageCache", container: "ContainerDocument", runtime: "PullRuntime") -> int:
        log = _open_log(self._pod_files.pull_log(container["name"]))
        try:
            login_file = self._write_login(container)
            pull = _pull_of(cache, container, runtime, self._site, self._environment, login_file)
            child = processes.fork(self._loop, lambda: _run_into(log, pull))
            try:
                return int(await child.exited)
            finally:
                child.kill()
        finally:
            os.close(log)
            files.remove(self._login_file(container))

    def _login_file(self, container: "ContainerDocument") -> str:
        return os.path.join(self._private, f"{container['name']}.auth.json")

    def _write_login(self, container: "ContainerDocument") -> str:
        """The name of a file with the login, which is there only for the pull; empty where it needs none."""
        if not container["login"]:
            return ""
        path = self._login_file(container)
        files.remove(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            files.write_all(descriptor, container["login"].encode())
        finally:
            os.close(descriptor)
        return path

    def _failure(self, container: "ContainerDocument", code: int) -> Pulled:
        from sidecar.runner.node import runtime_messages
        from sidecar.runner.system.memory_limit import memory_limit

        log = self._pod_files.pull_log(container["name"])
        if code == KILLED:  # the pull's own process, which could not say so
            with open(log, "a") as file:
                file.write(runtime_messages.memory_advice(container["image"], memory_limit()) + "\n")
        words = runtime_messages.runtime_errors(files.tail(log, _TAIL_BYTES))
        return Pulled(words=words, may_pass=code == TRY_LATER)

    def _refuse(self, container: "ContainerDocument", why: str, *, may_pass: bool = False) -> Pulled:
        """There is no image, and no program has said why."""
        from sidecar.runner.node import runtime_messages

        words = runtime_messages.cut(f"ERROR: {why}")
        try:
            log = _open_log(self._pod_files.pull_log(container["name"]))
            with open(log, "w", errors="replace") as file:
                file.write(f"{words}\n")
        except OSError:
            pass  # the report says it as well
        return Pulled(words=words, may_pass=may_pass)

    def remove_leftovers(self) -> None:
        """At the job's end: remove its marks in the cache, and what pulls that were broken off have left."""
        remove_leftovers(self._site["data_root"], self._job)


def _pull_of(
    cache: "ImageCache",
    container: "ContainerDocument",
    runtime: "PullRuntime",
    site: "SiteDocument",
    environment: "Mapping[bytes, bytes]",
    login_file: str,
) -> "Pull":
    from sidecar.runner.node.image_pull import Pull, Shell, Wanted

    wanted = Wanted(
        image=container["image"],
        key=container["image_keys"][0],
        namespace=container["image_namespace"],
        container=container["name"],
        only_if_absent=container["pull_policy"] == "IfNotPresent",
    )
    return Pull(cache, runtime, Shell(site["bash"], site["runtime_prefix"], environment), wanted, login_file)


def _open_log(path: str) -> int:
    """The log of a container's pull, emptied for the next try."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def _run_into(log: int, pull: "Pull") -> int:
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(descriptor, number)
    return pull.run()
