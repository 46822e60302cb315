"""The model's own conduct, against a plugin that answers as a test tells it."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.answers import ContractBroken
from tests.virtual_kubelet.interlink import CallFailed
from tests.virtual_kubelet.kubelet import VirtualKubelet

Answer = Callable[[str, Any], tuple[int, str, str]]
MANIFEST: Json = {
    "kind": "Pod",
    "metadata": {"name": "demo"},
    "spec": {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "main",
                "image": "busybox",
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "value": "$(A)$$(A)"},
                    {"name": "S", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "s"}}},
                ],
            }
        ],
    },
}
SECRET: Json = {"kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"s": "$(A)"}}


class Plugin(socketserver.ThreadingUnixStreamServer):
    """Answers every request by a function, and remembers them."""

    daemon_threads = True

    def __init__(self, path: Path, answer: Answer) -> None:
        super().__init__(str(path), _Handler)
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Plugin

    def setup(self) -> None:
        super().setup()
        self.client_address = ("unix", 0)

    def do_GET(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        status, content_type, text = self.server.answer(self.path, body)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Plugin]:
    with Plugin(tmp_path / "plugin.sock", obliging) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def vk(plugin: Plugin) -> Iterator[VirtualKubelet]:
    assert isinstance(plugin.server_address, str)
    kubelet = VirtualKubelet(socket=Path(plugin.server_address))
    yield kubelet
    kubelet.close()


def obliging(path: str, body: Any) -> tuple[int, str, str]:
    if path == "/create":
        answer: Any = {"PodUID": body["pod"]["metadata"]["uid"], "PodJID": "12"}
    elif path == "/status" and body:
        answer = [running(pod) for pod in body]
    elif path == "/status":
        answer = {"status": "ok", "resources": {"cpu": "4"}}
    else:
        return 200, "text/plain", "done"
    return 200, "application/json", json.dumps(answer)


def refusing(path: str, body: Any) -> tuple[int, str, str]:
    return 500, "text/plain; charset=utf-8", "invalid partition <x>"


def running(pod: Json) -> Json:
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    unset: Json = {"lastState": {}, "ready": True, "restartCount": 0, "image": "", "imageID": ""}
    metadata = pod["metadata"]
    return {
        "name": metadata["name"],
        "UID": metadata["uid"],
        "namespace": metadata["namespace"],
        "JID": "12",
        "containers": [{"name": "main", "state": state} | unset],
        "initContainers": None,
    }


def test_a_created_pod_carries_its_job_id_and_is_polled_whole(vk: VirtualKubelet, plugin: Plugin) -> None:
    vk.create_pod(SECRET, MANIFEST)
    vk.poll()

    assert vk.phase_of("demo") == "Running"
    _, [pod] = plugin.asked[-1]
    assert pod["metadata"]["annotations"]["JobID"] == "12"
    assert pod["status"]["phase"] == "Pending"


def test_environment_variables_arrive_resolved(vk: VirtualKubelet, plugin: Plugin) -> None:
    vk.create_pod(SECRET, MANIFEST)

    _, body = plugin.asked[0]
    env = {variable["name"]: variable["value"] for variable in body["pod"]["spec"]["containers"][0]["env"]}
    assert (env["A"], env["B"], env["S"]) == ("1", "1$(A)", "$(A)")
    assert env["KUBERNETES_SERVICE_HOST"] == "127.0.0.1"


def test_an_error_on_create_fails_the_pod_which_is_never_polled(vk: VirtualKubelet, plugin: Plugin) -> None:
    plugin.answer = refusing
    pod = vk.create_pod(SECRET, MANIFEST)
    vk.poll()

    assert vk.phase_of("demo") == "Failed"
    assert "invalid partition &lt;x&gt;" in pod["status"]["message"]
    assert [path for path, _ in plugin.asked] == ["/create"]


def test_an_error_on_delete_is_not_retried_and_the_pod_is_gone_all_the_same(vk: VirtualKubelet, plugin: Plugin) -> None:
    vk.create_pod(SECRET, MANIFEST)
    plugin.answer = refusing
    vk.delete_pod("demo", grace_seconds=5)

    assert vk.phase_of("demo") == "Deleted"
    assert [path for path, _ in plugin.asked] == ["/create", "/delete"]
    assert plugin.asked[-1][1]["metadata"]["deletionGracePeriodSeconds"] == 5


def test_a_restarted_virtual_kubelet_creates_pods_without_job_id_again(vk: VirtualKubelet, plugin: Plugin) -> None:
    uid = vk.create_pod(SECRET, MANIFEST)["metadata"]["uid"]
    vk.restart()
    vk.lose_answer("demo")
    vk.restart()

    assert [path for path, _ in plugin.asked] == ["/create", "/create"]
    assert {body["pod"]["metadata"]["uid"] for _, body in plugin.asked} == {uid}


def test_an_error_while_polling_changes_nothing(vk: VirtualKubelet, plugin: Plugin) -> None:
    vk.create_pod(SECRET, MANIFEST)
    plugin.answer = refusing
    vk.poll()

    assert vk.phase_of("demo") == "Pending"
    assert len(vk.errors) == 1


def test_an_answer_of_the_wrong_type_breaks_the_contract(vk: VirtualKubelet, plugin: Plugin) -> None:
    plugin.answer = lambda path, body: (200, "application/json", '{"PodUID": "x", "PodJID": 12}')

    with pytest.raises(ContractBroken):
        vk.create_pod(SECRET, MANIFEST)


def test_a_ping_whose_numbers_are_no_text_breaks_the_contract(vk: VirtualKubelet, plugin: Plugin) -> None:
    gpus = '{"status": "ok", "resources": {"accelerators": [{"resourceType": "nvidia.com/gpu", "available": 4}]}}'
    assert vk.ping().status == "ok"
    plugin.answer = lambda path, body: (200, "application/json", gpus)

    with pytest.raises(ContractBroken):
        vk.ping()


def test_options_that_contradict_each_other_never_reach_the_plugin(vk: VirtualKubelet, plugin: Plugin) -> None:
    vk.create_pod(SECRET, MANIFEST)

    with pytest.raises(CallFailed, match="Both Tail and LimitBytes"):
        vk.logs("demo", tail=1, limit_bytes=1)
    assert vk.logs("demo", tail=1) == "done"
    assert plugin.asked[-1][1]["Opts"]["Tail"] == 1


def test_a_closed_connection_is_tried_again_for_a_get_only(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        closed: list[str] = []

        def close_every_connection() -> None:
            while len(closed) < 3:
                connection, _ = listener.accept()
                with connection:
                    if request := connection.recv(65536):  # nothing: somebody only looked whether we listen
                        closed.append(request.split(b" ")[0].decode())

        thread = threading.Thread(target=close_every_connection)
        thread.start()
        vk = VirtualKubelet(socket=tmp_path / "s")
        with pytest.raises(CallFailed):
            vk.ping()
        vk.create_pod(SECRET, MANIFEST)
        thread.join()
        vk.close()

    assert closed == ["GET", "GET", "POST"]
    assert vk.phase_of("demo") == "Failed"
