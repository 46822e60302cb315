"""The line on which a runtime is called: its program and arguments, perhaps with shell text before them."""

from sidecar.runner.containers import environment
from sidecar.runner.system import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Sequence, Tuple

    from sidecar.runner.job import Job

_MADE_BY_SHELL = ("UID", "EUID", "GID")


class RuntimeLine:
    """How a call is made at this site."""

    def __init__(self, job: "Job", commands: str = "") -> None:
        """
        :param commands: the pod's own shell text, after the site's
        """
        self._job = job
        self._text = f"{job.site['runtime_prefix']} {commands}".strip()

    def call(self, argv: "Sequence[str]", plain: "Mapping[str, str]") -> "Tuple[List[str], Dict[bytes, bytes]]":
        """The call and its environment.

        :param plain: variables that the runtime hands over to the container as they are
        """
        variables = environment.of_runtime(self._job.environment, self._job.site["tsocks_library"])
        path = variables.get(b"PATH", b"/usr/bin:/bin").decode("utf-8", "surrogateescape")
        variables.update((_bytes(name), _bytes(value)) for name, value in plain.items())
        if not self._text:
            return [processes.which(argv[0], path), *argv[1:]], variables
        by_env = [f"{name}={plain[name]}" for name in _MADE_BY_SHELL if name in plain]
        call = ["env", *by_env, *argv] if by_env else list(argv)  # bash has these as constants of its own
        return [self._job.site["bash"], "-c", f'{self._text} "$@"', "bash", *call], variables


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
