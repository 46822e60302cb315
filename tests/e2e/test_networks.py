"""The ways out of a node, as a site and interLink set them up."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod
from tests.e2e.waiting import until
from tests.running import running
from tests.ssh import LoginNode, proxy_library
from tests.virtual_kubelet.kubelet import VirtualKubelet


@pytest.fixture
def login_node(tmp_path: Path) -> Iterator[LoginNode]:
    node = LoginNode.start(tmp_path / "login")
    yield node
    node.stop()


@pytest.fixture
def proxied(image: Path, tmp_path: Path, login_node: LoginNode) -> Iterator[Daemon]:
    settings = {
        "Tsocks": True,
        "TsocksPath": str(proxy_library()),
        "TsocksLoginNode": shlex.join(login_node.words),
    }
    daemon = Daemon(tmp_path, image, **settings)
    daemon.start()
    yield daemon
    daemon.destroy()


def test_a_site_s_proxy_lives_as_long_as_the_pod(proxied: Daemon, login_node: LoginNode) -> None:
    vk = proxied.kubelet()
    vk.create_pod(a_pod("proxied", script="echo $LD_PRELOAD; cat $TSOCKS_CONF_FILE; sleep 600"))
    vk.wait_for("proxied", "Running")
    until(lambda: "server_port" in vk.logs("proxied"), "the container sees the proxy's file")
    port = vk.logs("proxied").split("server_port = ")[1].strip()
    tunnel = f"-D 127.0.0.1:{port}"
    assert vk.logs("proxied").startswith(f"{proxy_library()}\nlocal = 10.0.0.0/255.0.0.0\nserver = 127.0.0.1\n")
    assert running(tunnel)

    vk.delete_pod("proxied", grace_seconds=1)
    until(lambda: not running(tunnel), "the tunnel ends with the job")


def test_a_pod_whose_proxy_cannot_be_opened_fails_and_its_log_says_why(proxied: Daemon, login_node: LoginNode) -> None:
    (login_node.folder / "user.pub").write_text("")
    vk = proxied.kubelet()
    vk.create_pod(a_pod("shut-out", script="echo never"))
    vk.wait_for("shut-out", "Failed")

    assert vk.container("shut-out")["state"]["terminated"]["exitCode"] == 128
    assert vk.logs("shut-out").startswith("slurm-sidecar: no tunnel to the login node 127.0.0.1: ")
    assert "Permission denied" in vk.logs("shut-out")


def test_interlink_s_tunnel_commands_run_beside_the_containers(vk: VirtualKubelet) -> None:
    commands = "sleep 98765 && echo never &"
    annotations = {"interlink.eu/wstunnel-client-commands": commands, "interlink.eu/pod-ip": "10.1.2.3"}
    vk.create_pod(a_pod("tunnel", script="echo $POD_IP; sleep 600", annotations=annotations))
    vk.wait_for("tunnel", "Running")
    until(lambda: vk.logs("tunnel") == "10.1.2.3\n", "the container knows the pod's address")
    assert running("sleep 98765")

    vk.delete_pod("tunnel", grace_seconds=1)
    until(lambda: not running("sleep 98765"), "the tunnel ends with the job")


MESH = r"""cat <<'EOFMESH' > $TMPDIR/mesh.sh
#!/bin/bash
set -e
set -m
export PATH=$PATH:$PWD:/usr/sbin:/sbin
TMPDIR=${SLIRP_TMPDIR:-$TMPDIR/slirp.$RANDOM$RANDOM}
mkdir -p $TMPDIR
cd $TMPDIR
cat <<'EOFSLIRP' > $TMPDIR/slirp.sh
#!/bin/bash
set -e
set -euo pipefail
mount --make-rprivate / 2>/dev/null || true
mkdir -p $TMPDIR/run
mount --bind $TMPDIR/run /var/run
echo "in a network of $(grep -c : /proc/net/dev) interfaces"
$@
EOFSLIRP
chmod +x $TMPDIR/slirp.sh
unshare --user --map-root-user --net --mount $TMPDIR/slirp.sh "$@" &
sleep 0.1
JOBPID=$!
sleep 87654 &
fg 1
EOFMESH
echo prepared
"""
"""The shape of interLink's full-mesh text: two scripts, a network namespace, a helper beside it, the job by ``fg 1``.

Source: https://github.com/interlink-hq/interLink, pkg/virtualkubelet/templates/mesh.sh
"""


def test_a_full_mesh_pod_runs_in_its_own_network(vk: VirtualKubelet, daemon: Daemon) -> None:
    init = a_container("setup", "echo first >/work/file", volumeMounts=[{"name": "work", "mountPath": "/work"}])
    main = a_container(
        "main",
        "cat /work/file; grep -c : /proc/net/dev; exit 7",
        volumeMounts=[{"name": "work", "mountPath": "/work"}],
    )
    manifest = a_pod(
        "mesh",
        main,
        annotations={"slurm-job.vk.io/pre-exec": MESH},
        initContainers=[init],
        volumes=[{"name": "work", "emptyDir": {}}],
    )
    pod = vk.create_pod(manifest)
    vk.wait_for("mesh", "Failed")

    assert vk.logs("mesh") == "first\n1\n"
    output = (daemon.directory(pod["metadata"]["uid"]) / "job.out").read_text()
    assert "in a network of 1 interfaces" in output
    assert not running("sleep 87654")


def test_a_full_mesh_pod_is_stopped_like_any_other(vk: VirtualKubelet) -> None:
    script = 'trap "echo told; exit 3" TERM; echo up; while :; do sleep 0.1; done'
    vk.create_pod(a_pod("mesh-stop", script=script, annotations={"slurm-job.vk.io/pre-exec": MESH}))
    vk.wait_for("mesh-stop", "Running")
    until(lambda: "up" in vk.logs("mesh-stop"), "the container runs")
    vk.delete_pod("mesh-stop", grace_seconds=20)

    until(lambda: not running("sleep 87654"), "the mesh ends with the job")
