"""What a runtime said: its errors, whether they may pass, and advice where memory was too little for a pull."""

from sidecar.runner.contract.facts import MAX_CHECK_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_TRANSIENT = (
    r"time(d )?out|deadline exceeded|connection (refused|reset)|no route to host|network is unreachable"
    r"|temporary failure|server misbehaving|TLS handshake|unexpected EOF|too ?many ?requests"
    r"|(status(code)?( code)?:?|did not succeed:) *(429|5[0-9][0-9])"
)
_OUT_OF_MEMORY = r"signal: killed|out of memory|cannot allocate memory"
_COLOUR = r"\x1b\[[0-9;]*[A-Za-z]"
KILLED_FOR_MEMORY = "was too little to build the image"


def runtime_errors(said: bytes) -> str:
    """What the runtime said last, its errors rather than its progress; at most 1024 bytes."""
    import re

    text = re.sub(_COLOUR, "", said.decode("utf-8", "replace")).replace("\0", "\ufffd")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("FATAL", "ERROR"))]
    return cut("\n".join(errors or lines))


def cut(text: str) -> str:
    """The end of a text, as long as a message may be."""
    return text.encode("utf-8", "replace")[-MAX_CHECK_BYTES:].decode("utf-8", "ignore")


def is_transient(said: bytes) -> bool:
    """Whether the registry may well answer otherwise a moment later."""
    import re

    return re.search(_TRANSIENT, said.decode("utf-8", "replace"), re.IGNORECASE) is not None


def tells_of_memory(said: bytes) -> bool:
    """Whether a pull that failed has lost a program to the kernel, or asked it for more memory than there is."""
    import re

    return re.search(_OUT_OF_MEMORY, said.decode("utf-8", "replace"), re.IGNORECASE) is not None


def memory_advice(image: str, limit: "Optional[int]") -> str:
    """The sentence for a pull that was killed.

    :param limit: the job's memory in bytes, where it is known
    """
    memory = f"the job's memory ({limit // 2**20} MiB)" if limit is not None else "memory"
    return (
        f"ERROR: {memory} {KILLED_FOR_MEMORY}: a program of the pull was killed. "
        f"Ask for more memory (resources.limits.memory), "
        f"or fetch the image beforehand: slurm-sidecar image warm {image}"
    )
