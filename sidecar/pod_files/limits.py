"""How much a container's environment and command may hold.

The kernel takes no string of more than 128 KiB (https://man7.org/linux/man-pages/man2/execve.2.html), and Apptainer no
more than 1,048,448 bytes of JSON with everything in it (tried with 1.4: "engine configuration too big").
"""

from __future__ import annotations

import json

from sidecar.domain.pod import Container
from sidecar.errors import UnsupportedPod

_LONGEST_BYTES = 128 * 1024 - 1
"""Of one string, without the NUL at its end."""
_MOST_BYTES = 1_000_000
"""Of all together; the rest is for what Apptainer itself says."""
_PREFIX = "SINGULARITYENV_"
"""The longest that stands before a name on the way to the container."""


def check(container: Container) -> None:
    """Refuse what could not be started.

    :raises UnsupportedPod: with the name of what is too long, never a value
    """
    where = f"container {container.name}"
    for name, value in container.env:
        most = _LONGEST_BYTES - len(f"{_PREFIX}{name}=".encode(errors="surrogatepass"))
        _check_length(f"{where}: environment variable {name}", value, most)
    for kind, words in (("command", container.command), ("args", container.args)):
        for word in words:
            _check_length(f"{where}: a word of {kind}", word, _LONGEST_BYTES)
    texts = (*(f"{name}={value}" for name, value in container.env), *container.command, *container.args)
    total = sum(map(_encoded_bytes, texts))
    if total > _MOST_BYTES:
        raise UnsupportedPod(
            f"{where}: environment, command and args have {total} bytes together, more than the {_MOST_BYTES} that the "
            "container runtime takes; put large texts into a ConfigMap or Secret and mount it"
        )


def _check_length(where: str, text: str, most: int) -> None:
    size = len(text.encode(errors="surrogatepass"))
    if size > most:
        raise UnsupportedPod(
            f"{where} has {size} bytes, more than the {most} that a process can be given; "
            "put the text into a ConfigMap or Secret and mount it"
        )


def _encoded_bytes(text: str) -> int:
    """As Go writes JSON: ``<``, ``>`` and ``&`` take six bytes each."""
    size = len(json.dumps(text, ensure_ascii=False).encode(errors="surrogatepass"))
    return size + 5 * sum(text.count(character) for character in "<>&")
