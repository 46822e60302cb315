"""Probes and hooks ask real servers, whatever these answer."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.runner.contract.facts import MAX_CHECK_BYTES
from sidecar.runner.probes.actions import act
from sidecar.runner.probes.http2 import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    RST_STREAM,
    SETTINGS,
    Frame,
)
from sidecar.runner.probes.outcomes import Outcome, no_answer
from sidecar.runner.system.event_loop import Loop
from tests.answering import NOT_SERVING, SERVING, WebServer, a_certificate, grpc_server, web_server
from tests.running import wait_until
from tests.unit.runner.asking import ask, grpc, http, no_command, raw_server, saying, tcp, until_closed, unused_port
from tests.unit.runner.loops import InstantLoop, closing

OK = (True, "")


@pytest.fixture
def loop() -> Iterator[Loop]:
    with closing(Loop()) as loop:
        yield loop


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_certificate(tmp_path_factory.mktemp("certificate"))


# -------------------------------------------------------------------- commands and pauses


def test_a_command_is_run_by_the_caller_with_the_limit(loop: Loop) -> None:
    asked: list[object] = []

    async def execute(command: list[str], seconds: float | None) -> Outcome:
        asked.append((command, seconds))
        return Outcome(False, "so\n" + no_answer(1) + "\n")

    for seconds in 3, 0, None:
        outcome = loop.run(act(loop, {"kind": "exec", "command": ["a", "b"]}, seconds, execute))
        assert (outcome.ok, outcome.words) == (False, "so\nno answer within 1 s")
    assert asked == [(["a", "b"], 3), (["a", "b"], None), (["a", "b"], None)]


def test_a_command_for_which_the_node_has_no_process_left_is_a_failure(loop: Loop) -> None:
    async def run(*_: object) -> Outcome:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    outcome = loop.run(act(loop, {"kind": "exec", "command": ["true"]}, 1, run))

    assert (outcome.ok, outcome.words) == (False, "the node could not do it: Resource temporarily unavailable")


def test_what_is_said_is_cut_between_two_characters(loop: Loop) -> None:
    async def execute(command: list[str], seconds: float | None) -> Outcome:
        return Outcome(False, "x" + "é" * MAX_CHECK_BYTES)

    outcome = loop.run(act(loop, {"kind": "exec", "command": ["a"]}, 1, execute))
    assert outcome.words == "x" + "é" * ((MAX_CHECK_BYTES - 1) // 2)


def test_a_pause_is_as_long_as_it_may_be_and_no_failure() -> None:
    with closing(InstantLoop()) as loop:
        for limit, expected in (None, 300), (0, 300), (1000, 300), (20, 20):
            began = loop.now()
            assert ask(loop, {"kind": "sleep", "seconds": 300}, limit) == OK
            assert loop.now() - began == pytest.approx(expected, abs=0.1)


# -------------------------------------------------------------------- connections


def test_a_connection_that_is_accepted_is_a_success(loop: Loop, web: WebServer) -> None:
    for host in "", "127.0.0.1", "localhost":
        assert ask(loop, tcp(web.server_port, host)) == OK


def test_a_connection_that_is_refused_is_a_failure(loop: Loop) -> None:
    port = unused_port()

    assert ask(loop, tcp(port)) == (False, f"cannot connect to 127.0.0.1:{port}: Connection refused")


def test_a_connection_to_itself_is_refused(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unlucky(socket.socket):
        def connect_ex(self, address: object) -> int:
            self.bind(address)  # type: ignore[arg-type]
            return super().connect_ex(address)  # type: ignore[arg-type]

    port = unused_port()
    monkeypatch.setattr(socket, "socket", Unlucky)

    assert ask(loop, tcp(port)) == (False, f"cannot connect to 127.0.0.1:{port}: Connection refused")


def test_an_ipv6_host_is_asked(loop: Loop) -> None:
    with raw_server(saying(b"HTTP/1.1 200 OK\r\n\r\n"), family=socket.AF_INET6) as port:
        assert ask(loop, http(port, host="::1")) == OK
        assert ask(loop, tcp(port, "localhost")) == OK


def test_a_name_is_resolved(loop: Loop, web: WebServer) -> None:
    assert ask(loop, tcp(web.server_port, "LOCALHOST")) == OK


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 300, "a..b", "a\0b"])
def test_a_name_without_an_address_is_a_failure(loop: Loop, host: str) -> None:
    ok, words = ask(loop, tcp(80, host))

    assert not ok
    assert words.startswith(f"cannot resolve {host}: ")


def test_a_dead_resolver_holds_up_nothing(loop: Loop, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: time.sleep(600))

    async def both() -> tuple[Outcome, Outcome]:
        slow = loop.start(act(loop, tcp(80, "some.name"), 1, no_command))
        quick = await act(loop, tcp(web.server_port), 30, no_command)
        assert not slow.is_done
        return await slow, quick

    slow, quick = loop.run(both())
    assert (slow.ok, slow.words) == (False, "no answer within 1 s")
    assert quick.ok
    loop.run(_until_no_child(loop))


async def _until_no_child(loop: Loop) -> None:
    while loop._children:
        await loop.sleep(0.01)


# -------------------------------------------------------------------- requests


@pytest.mark.parametrize("code", [200, 204, 299, 300, 304, 399])
def test_these_statuses_are_successes(loop: Loop, web: WebServer, code: int) -> None:
    assert ask(loop, http(web.server_port, f"/status/{code}")) == OK


@pytest.mark.parametrize("code", [400, 404, 500, 503, 999])
def test_other_statuses_are_failures(loop: Loop, web: WebServer, code: int) -> None:
    expected = (False, f"HTTP probe failed with statuscode: {code}")
    assert ask(loop, http(web.server_port, f"/status/{code}")) == expected


def test_a_request_has_the_pods_path_and_headers(loop: Loop, web: WebServer) -> None:
    headers = [("Host", "my.host"), ("X-Odd", "é \t '\""), ("X-Empty", ""), ("X-Two", "1"), ("X-Two", "2")]
    ask(loop, http(web.server_port, "/a%20b/../c?d=e", headers=headers))

    assert web.asked == ["/a%20b/../c?d=e"]
    sent = [(name, value.encode("latin-1").decode()) for name, value in web.headers[0]]
    assert sorted(sent) == sorted(
        [*headers, ("User-Agent", "kube-probe/1.34"), ("Accept", "*/*"), ("Connection", "close")]
    )


def test_redirects_are_followed_within_the_host_only(loop: Loop, web: WebServer) -> None:
    port = web.server_port
    here = f"http://127.0.0.1:{port}"
    paths = {
        "/to//status/500": (False, "HTTP probe failed with statuscode: 500"),
        f"/to/{here}/status/204": OK,
        f"/to/http://localhost:{port}/status/501": OK,
        f"/to/http://127.0.0.1:x@localhost:{port}/status/502": OK,
        "/round": (False, "stopped after 10 redirects"),
        "/to/ftp://127.0.0.1/": (False, "the redirect does not lead to HTTP"),
        "/to/": OK,
    }
    assert {path: ask(loop, http(port, path)) for path in paths} == paths
    assert web.count("/round") == 10
    assert web.count("/status/204") == 1
    assert {"/status/501", "/status/502"}.isdisjoint(web.asked)


def test_the_pods_host_header_goes_with_relative_redirects_only(loop: Loop, web: WebServer) -> None:
    headers = [("Host", "my.host"), ("X-Mine", "1")]
    here = f"http://127.0.0.1:{web.server_port}"
    ask(loop, http(web.server_port, "/to//status/200", headers=headers))
    ask(loop, http(web.server_port, f"/to/{here}/status/200", headers=headers))

    hosts = [dict(sent)["Host"] for sent in web.headers]
    assert hosts == ["my.host", "my.host", "my.host", f"127.0.0.1:{web.server_port}"]
    assert [dict(sent)["X-Mine"] for sent in web.headers] == ["1"] * 4


def test_https_takes_any_certificate(loop: Loop, certificate: Path) -> None:
    with web_server(certificate) as web:
        assert ask(loop, http(web.server_port, "/status/200", scheme="https")) == OK
        assert ask(loop, http(web.server_port, "/status/200", scheme="https", host="localhost")) == OK
        assert ask(loop, http(web.server_port, "/status/503", scheme="https"))[0] is False
        assert ask(loop, http(web.server_port, "/status/200"))[0] is False


CUT_OFF = "the server closed the connection before the end of its answer"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", "the server closed the connection before it answered"),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n", "the server closed the connection before it answered"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        (b"\0" * 100_000, "the answer is not HTTP"),
        (b"HTTP/1.1 OK\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "the headers of the answer are longer than 64 KiB"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "the server sent too many informational answers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", CUT_OFF),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the answer is not HTTP"),
    ],
)  # fmt: skip
def test_a_hostile_server_is_a_failure_in_one_sentence(loop: Loop, answer: bytes, expected: str) -> None:
    with raw_server(saying(answer)) as port:
        ok, words = ask(loop, http(port))

    assert not ok
    # What a server has sent may be lost when it closes before it has read everything.
    assert words in (expected, "the connection broke: Connection reset by peer")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\n\nuntil the end",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000,
    ],
)
def test_an_odd_answer_is_an_answer(loop: Loop, answer: bytes) -> None:
    with raw_server(saying(answer)) as port:
        assert ask(loop, http(port)) == OK


def test_a_server_need_not_close_the_connection(loop: Loop) -> None:
    for answer in b"Content-Length: 2\r\n\r\nhi", b"Content-Length: 999999\r\n\r\n" + b"x" * 10240:

        def talk(client: socket.socket, answer: bytes = answer) -> None:
            saying(b"HTTP/1.1 200 OK\r\n" + answer)(client)
            until_closed(client)

        with raw_server(talk) as port:
            assert ask(loop, http(port), None) == OK


def test_a_server_that_trickles_is_given_up_after_the_limit(loop: Loop) -> None:
    def trickle(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            client.sendall(b"X: y\r\n")
            time.sleep(0.01)

    with raw_server(trickle) as port:
        assert ask(loop, http(port), 1) == (False, "no answer within 1 s")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_silent_server_is_given_up_after_the_limit(loop: Loop, scheme: str) -> None:
    with raw_server(until_closed) as port:
        assert ask(loop, http(port, scheme=scheme), 0.5) == (False, "no answer within 0.5 s")


def test_a_server_that_waits_holds_up_nothing(loop: Loop, web: WebServer) -> None:
    async def both() -> tuple[Outcome, Outcome]:
        waiting = loop.start(act(loop, http(web.server_port, "/slow"), None, no_command))
        quick = await act(loop, http(web.server_port, "/status/200"), 30, no_command)
        assert not waiting.is_done
        web.go_on.set()
        return quick, await waiting

    assert all(outcome.ok for outcome in loop.run(both()))


# -------------------------------------------------------------------- gRPC


@pytest.mark.parametrize("tls", [False, True])
def test_a_grpc_service_succeeds_if_it_is_serving(loop: Loop, certificate: Path, tls: bool) -> None:
    answers = {"": SERVING, "a": NOT_SERVING, "b" * 150: SERVING}
    with grpc_server(answers, certificate if tls else None) as server:
        port = server().port
        found = {service: ask(loop, grpc(port, service, tls=tls)) for service in (*answers, "c" * 20)}
        wrong = ask(loop, grpc(port, tls=not tls), 10)

    assert found == {
        "": OK,
        "a": (False, "the gRPC service is not SERVING"),
        "b" * 150: OK,
        "c" * 20: (False, "the gRPC service did not answer the health check"),
    }
    assert wrong[0] is False


def test_a_web_server_speaks_no_grpc(loop: Loop) -> None:
    with raw_server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert ask(loop, grpc(port)) == (False, "the server does not speak HTTP/2")


HELLO = Frame(SETTINGS, 0, 0, b"")
TRAILERS = Frame(HEADERS, END_STREAM, 1, b"\0")
ANSWER = Frame(DATA, 0, 1, b"\0\0\0\0\x02\x08\x01")
BUSY = [HELLO, Frame(8, 0, 0, b"\0\0\0\1"), Frame(PING, 0, 0, b"12345678"), Frame(99, 0, 3, b"x")]
NO_ANSWER = "the gRPC service did not answer the health check"
CLOSED = "the gRPC server closed the connection before it answered"


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([*BUSY, Frame(HEADERS, 4, 1, b""), ANSWER, TRAILERS], ""),
        ([HELLO, Frame(DATA, END_STREAM | PADDED, 1, b"\1" + ANSWER.content + b"\0")], ""),
        ([HELLO, Frame(DATA, 0, 1, ANSWER.content[:3]), Frame(DATA, END_STREAM, 1, ANSWER.content[3:])], ""),
        ([HELLO, Frame(GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0"), ANSWER, TRAILERS], ""),
        ([HELLO, ANSWER, Frame(RST_STREAM, 0, 1, b"\0\0\0\0")], ""),
        ([HELLO, Frame(DATA, END_STREAM, 3, ANSWER.content), TRAILERS], NO_ANSWER),
        ([HELLO, Frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0")], "the gRPC server refused the call"),
        ([HELLO, Frame(DATA, 0, 1, b"x" * 9999)], "the answer of the gRPC service is too long"),
        ([HELLO, Frame(DATA, END_STREAM, 1, b"x")], "the answer of the gRPC service cannot be read"),
        ([ANSWER, TRAILERS], "the server does not speak HTTP/2"),
        ([HELLO, ANSWER], CLOSED),
        ([], CLOSED),
    ],
)  # fmt: skip
def test_a_grpc_server_may_send_anything(loop: Loop, frames: list[Frame], expected: str) -> None:
    def talk(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"".join(frame.encode() for frame in frames))
        client.shutdown(socket.SHUT_WR)
        until_closed(client)

    with raw_server(talk) as port:
        assert ask(loop, grpc(port)) == (not expected, expected)


@pytest.mark.parametrize("tls", [False, True])
def test_a_grpc_server_that_only_pings_is_given_up(loop: Loop, certificate: Path, tls: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def flood(client: socket.socket) -> None:
        client.sendall(HELLO.encode())
        while True:
            client.sendall(Frame(PING, ACK, 0, b"12345678").encode() * 5000)

    def talk(client: socket.socket) -> None:
        if not tls:
            return flood(client)
        with context.wrap_socket(client, server_side=True) as encrypted:
            return flood(encrypted)

    with raw_server(talk) as port:
        assert ask(loop, grpc(port, tls=tls), 0.5) == (False, "no answer within 0.5 s")


# -------------------------------------------------------------------- what is left behind


def test_a_cancelled_action_closes_its_connection(loop: Loop) -> None:
    asked, closed = threading.Event(), threading.Event()

    def talk(client: socket.socket) -> None:
        client.recv(65536)
        asked.set()
        until_closed(client)
        closed.set()

    async def cancel(port: int) -> None:
        task = loop.start(act(loop, http(port), None, no_command))
        while not asked.is_set():
            await loop.sleep(0.01)
        task.cancel()

    with raw_server(talk) as port:
        loop.run(cancel(port))
        assert closed.wait(60)


def test_no_action_leaves_a_descriptor_or_a_child(loop: Loop, web: WebServer, certificate: Path) -> None:
    def descriptors() -> int:
        return len([*Path("/proc/self/fd").iterdir()])

    with web_server(certificate) as tls, raw_server(until_closed) as silent:
        actions = [
            (http(web.server_port, "/status/200"), 30),
            (http(web.server_port, "/round"), 30),
            (http(tls.server_port, "/status/200", scheme="https"), 30),
            (http(web.server_port, scheme="https"), 30),
            (http(silent), 0.1),
            (http(silent, scheme="https"), 0.1),
            (grpc(web.server_port), 30),
            (tcp(unused_port()), 30),
            (tcp(80, "nowhere.invalid"), 30),
        ]
        ask(loop, actions[2][0])  # loads what stays
        before = descriptors()
        for action, seconds in actions * 5:
            ask(loop, action, seconds)
        wait_until(lambda: descriptors() < before + 5)  # the servers of the test have some as well, for a while
        assert loop._watched == {}
        loop.run(_until_no_child(loop))
