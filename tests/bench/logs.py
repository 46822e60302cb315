"""Budget: a log of any size is read at a good part of the speed of ``cat``, in constant memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import sleep

from tests.bench import cluster, pods
from tests.bench.daemon import Connection, Daemon
from tests.bench.measure import Figure, median, seconds_of
from tests.bench.pods import CONTAINER, NAMESPACE, Json

BUDGET = "logs"
BYTES = 1_000_000_000
ROUNDS = 5
LIMIT_GROWTH_MB = 8
"""What counts as constant: a few of the blocks that the reader and the sockets hold."""
_LINE = b"2026-11-24 05:55:26.123 step 000001 loss 0.693147 accuracy 0.500000 samples/s 1234.5\n"
_BLOCK = 1 << 20


def measure(folder: Path, image: Path) -> Iterator[Figure]:
    """Give a finished pod a large log, and read it by ``cat`` and through ``/getLogs`` in turns."""
    daemon = Daemon(folder, image)
    with cluster.job_name() as name, daemon.running() as connection:
        pod = _finished(daemon, connection, name)
        log = _large_log(daemon, pod)
        _by_http(daemon, pod)  # warms up
        before = daemon.memory()
        daemon.forget_peak()
        cat, http = [], []
        for _ in range(ROUNDS):
            cat.append(seconds_of(lambda: _by_cat(log)))
            http.append(seconds_of(lambda: _by_http(daemon, pod)))
        growth = daemon.memory("VmHWM") - before
    speeds = {"cat | cat": BYTES / median(cat) / 1e6, "GET /getLogs": BYTES / median(http) / 1e6}
    for what, speed in speeds.items():
        yield Figure(budget=BUDGET, what=f"{BYTES / 1e9:g} GB by {what}", value=speed, unit="MB/s")
    share = 100 * speeds["GET /getLogs"] / speeds["cat | cat"]
    yield Figure(budget=BUDGET, what="share of cat", value=share, unit="%", limit=50, is_floor=True)
    yield Figure(budget=BUDGET, what="growth of memory at most", value=growth, unit="MB", limit=LIMIT_GROWTH_MB)


def _finished(daemon: Daemon, connection: Connection, name: str) -> Json:
    pod = pods.new_pod(str(daemon.image), ["true"], flags=f"--job-name={name}")
    connection.ask("POST", "/create", pods.create_body(pod))
    while b"terminated" not in connection.ask("GET", "/status", pods.status_body([pod])):
        sleep(0.1)
    return pod


def _large_log(daemon: Daemon, pod: Json) -> Path:
    log = daemon.data_root / f"{NAMESPACE}-{pod['metadata']['uid']}" / "logs" / f"{CONTAINER}.0.log"
    block = _LINE * (_BLOCK // len(_LINE))
    with log.open("wb") as file:
        while (rest := BYTES - file.tell()) > 0:
            file.write(block[:rest])
    return log


def _by_cat(log: Path) -> None:
    """Two programs and a pipe, as there are two programs and a socket on the other side."""
    subprocess.run(["sh", "-c", 'cat "$1" | cat >/dev/null', "sh", str(log)], check=True)


def _by_http(daemon: Daemon, pod: Json) -> None:
    """Read the whole answer; the client is as simple as can be, for it is not what is measured.

    :raises RuntimeError: not all of the log has arrived
    """
    buffer = memoryview(bytearray(_BLOCK))
    received = 0
    with daemon.connection() as connection:
        connection.request("GET", "/getLogs", pods.logs_body(pod))
        with connection.getresponse() as response:
            while count := response.readinto(buffer):
                received += count
    if received != BYTES:
        raise RuntimeError(f"{received} of {BYTES} bytes have arrived")
