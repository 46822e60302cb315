"""Environment, arguments and volumes reach the container as the pod states them."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from tests.e2e.conftest import CLAIM
from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_config_map, a_container, a_pod, a_secret, mounts, volumes
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet
from tests.virtual_kubelet.retrieval import KUBERNETES

AWKWARD = {
    "single quotes": "it's 'quoted'",
    "double quotes": 'say "hello"',
    "both quotes": """'"'"'""",
    "newlines": "one\ntwo\n\nfour\n",
    "only a newline": "\n",
    "dollar": "$HOME ${PATH} $(id) $1 $$",
    "backticks": "`id`",
    "backslashes": r"\n \\ \t \$ C:\temp" + "\\",
    "unicode": "grüße, 世界 🚀 \u00a0e\u0301",
    "empty": "",
    "spaces": "  leading and trailing  ",
    "tab and bell": "a\tb\ac\x1b[0m",
    "shell words": "; rm -rf / & | > < * ? [a] {b,c} ~ ! # %",
    "json": '{"a": [1, "b\\"c"]}',
}


def as_kubernetes(text: str) -> str:
    """``$$`` stands for ``$``: it keeps ``$(NAME)`` from being replaced."""
    return text.replace("$$", "$")


def test_every_byte_of_a_value_reaches_the_process(vk: VirtualKubelet) -> None:
    env = [{"name": f"V{number}", "value": value} for number, value in enumerate(AWKWARD.values())]
    script = "".join(f'printf %s "$V{number}" | base64 -w 0; echo; ' for number in range(len(env)))
    vk.create_pod(a_pod("env", a_container(script=script, env=env)))
    vk.wait_for("env", "Succeeded")

    received = [base64.b64decode(line).decode() for line in vk.logs("env").split("\n")[:-1]]
    assert dict(zip(AWKWARD, received, strict=True)) == {name: as_kubernetes(text) for name, text in AWKWARD.items()}


def test_every_byte_of_an_argument_reaches_the_process(vk: VirtualKubelet) -> None:
    words = list(AWKWARD.values())
    script = 'for word; do printf %s "$word" | base64 -w 0; echo; done'
    container = a_container() | {"command": ["sh", "-c", script, "sh"], "args": words}
    vk.create_pod(a_pod("arguments", container))
    vk.wait_for("arguments", "Succeeded")

    received = [base64.b64decode(line).decode() for line in vk.logs("arguments").split("\n")[:-1]]
    assert received == [as_kubernetes(word) for word in words]


def test_environment_from_config_maps_secrets_and_the_pod_itself_arrives(vk: VirtualKubelet) -> None:
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "colours", "key": "best"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "word"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "GREETING", "value": "$(POD) likes $(COLOUR)"},
    ]
    container = a_container(
        script='echo "$GREETING $PASSWORD $C_best $KUBERNETES_SERVICE_HOST"',
        env=env,
        envFrom=[{"prefix": "C_", "configMapRef": {"name": "colours"}}],
    )
    vk.create_pod(a_config_map("colours", best="green"), a_secret("keys", word="open sesame"), a_pod("refs", container))
    vk.wait_for("refs", "Succeeded")

    assert vk.logs("refs") == "refs likes green open sesame green 127.0.0.1\n"


def test_the_variables_that_lead_to_kubernetes_reach_the_process(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("leads", script="env | grep ^KUBERNETES_"))
    vk.wait_for("leads", "Succeeded")

    assert sorted(vk.logs("leads").splitlines()) == sorted(f"{name}={value}" for name, value in KUBERNETES.items())


def test_a_secret_that_looks_like_a_reference_is_not_replaced(vk: VirtualKubelet) -> None:
    password = "pa$$word $(OTHER) $$(OTHER)"
    env = [
        {"name": "OTHER", "value": "other"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "dollars", "key": "word"}}},
    ]
    container = a_container(script='printf %s "$PASSWORD"', env=env)
    vk.create_pod(a_secret("dollars", word=password), a_pod("dollars", container))
    vk.wait_for("dollars", "Succeeded")

    assert vk.logs("dollars") == password


def test_a_secret_is_in_no_log_of_the_daemon_and_not_in_its_history(vk: VirtualKubelet, daemon: Daemon) -> None:
    env = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "word"}}}]
    container = a_container(script="true", env=env, **mounts(vault="/vault"))
    vault = volumes(vault={"secret": {"secretName": "hidden"}})
    pod = vk.create_pod(a_secret("hidden", word="Xyzzy-in-clear"), a_pod("quiet", container, **vault))
    vk.wait_for("quiet", "Succeeded")

    directory = daemon.directory(pod["metadata"]["uid"])
    holders = [path for path in directory.rglob("*") if path.is_file() and b"Xyzzy" in path.read_bytes()]
    assert holders
    assert all(path.stat().st_mode & 0o077 == 0 for path in [directory, *holders] if path.parent == directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    for path in daemon.records():
        assert b"Xyzzy" not in path.read_bytes()


def test_a_config_map_volume_has_exactly_its_keys(vk: VirtualKubelet) -> None:
    data = {"a.txt": "first\n", "b.sh": "second"}
    container = a_container(script="cd /c; ls; cat a.txt b.sh; stat -c ' %a' a.txt; echo x >a.txt", **mounts(c="/c"))
    source = {"configMap": {"name": "files", "defaultMode": 0o640}}
    vk.create_pod(a_config_map("files", **data), a_pod("config-volume", container, **volumes(c=source)))
    vk.wait_for("config-volume", "Failed")

    lines = vk.logs("config-volume").splitlines()
    assert lines[:4] == ["a.txt", "b.sh", "first", "second 640"]
    assert "Read-only" in lines[4]


def test_items_select_and_rename_keys_and_set_modes(vk: VirtualKubelet) -> None:
    items = [{"key": "key", "path": "deep/er/renamed", "mode": 0o400}]
    source = {"secret": {"secretName": "selected", "items": items}}
    container = a_container(
        script="cd /s; find . -type f; cat deep/er/renamed; stat -c ' %a' deep/er/renamed", **mounts(s="/s")
    )
    secret = a_secret("selected", key="chosen", other="left out")
    vk.create_pod(secret, a_pod("selected", container, **volumes(s=source)))
    vk.wait_for("selected", "Succeeded")

    assert vk.logs("selected").splitlines() == ["./deep/er/renamed", "chosen 400"]


def test_binary_content_arrives_unchanged(vk: VirtualKubelet) -> None:
    every_byte = bytes(range(256))
    config_map = a_config_map("binary") | {"binaryData": {"all": base64.b64encode(every_byte).decode()}}
    container = a_container(script="base64 -w 0 /b/all", **mounts(b="/b"))
    vk.create_pod(config_map, a_pod("binary", container, **volumes(b={"configMap": {"name": "binary"}})))
    vk.wait_for("binary", "Succeeded")

    assert base64.b64decode(vk.logs("binary")) == every_byte


def test_a_projected_volume_puts_its_sources_together(vk: VirtualKubelet) -> None:
    sources = [
        {"configMap": {"name": "part", "items": [{"key": "k", "path": "from/config"}]}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    script = "cat /p/from/config /p/name /var/run/secrets/kubernetes.io/serviceaccount/namespace"
    container = a_container(script=script, **mounts(p="/p"))
    projected = volumes(p={"projected": {"sources": sources}})
    vk.create_pod(a_config_map("part", k="one "), a_pod("projected", container, **projected))
    vk.wait_for("projected", "Succeeded")

    assert vk.logs("projected") == "one projecteddefault"


def test_a_container_is_told_about_its_pod_in_files(vk: VirtualKubelet) -> None:
    references: dict[str, Json] = {
        "uid": {"fieldRef": {"fieldPath": "metadata.uid"}},
        "labels": {"fieldRef": {"fieldPath": "metadata.labels"}},
        "tier": {"fieldRef": {"fieldPath": "metadata.labels['tier']"}},
        "mib": {"resourceFieldRef": {"containerName": "main", "resource": "limits.memory", "divisor": "1Mi"}},
    }
    items = [{"path": path, **reference} for path, reference in references.items()]
    container = a_container(
        script="cd /info; for f in uid tier mib; do cat $f; echo; done; cat labels",
        resources={"limits": {"memory": "64Mi", "cpu": "1"}},
        **mounts(info="/info"),
    )
    manifest = a_pod("informed", container, **volumes(info={"downwardAPI": {"items": items}}))
    manifest["metadata"]["labels"] = {"tier": "back", "app": "x"}
    pod = vk.create_pod(manifest)
    vk.wait_for("informed", "Succeeded")

    assert vk.logs("informed").splitlines() == [pod["metadata"]["uid"], "back", "64", 'app="x"', 'tier="back"']


def test_a_claim_is_kept_between_pods_and_shared_out_by_sub_path_expr(vk: VirtualKubelet) -> None:
    claim = volumes(data={"persistentVolumeClaim": {"claimName": CLAIM}})
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    mount = {"name": "data", "mountPath": "/data", "subPathExpr": "of-$(POD)"}
    vk.create_pod(a_pod("claims-1", a_container(script="echo kept >/data/f", env=env, volumeMounts=[mount]), **claim))
    vk.wait_for("claims-1", "Succeeded")
    vk.create_pod(a_pod("claims-2", a_container(script="cat /all/of-claims-1/f", **mounts(data="/all")), **claim))
    vk.wait_for("claims-2", "Succeeded")

    assert vk.logs("claims-2") == "kept\n"


def test_a_claim_that_the_site_does_not_know_is_refused(vk: VirtualKubelet) -> None:
    source: Json = {"persistentVolumeClaim": {"claimName": "unknown"}}
    pod = vk.create_pod(a_pod("claims-3", a_container(**mounts(data="/data")), **volumes(data=source)))

    assert vk.phase_of("claims-3") == "Failed"
    assert "this site has no folder for the claim default/unknown" in pod["status"]["message"]


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_containers_share_an_empty_dir(vk: VirtualKubelet, medium: str) -> None:
    name = f"shared-{medium.lower() or 'disk'}"
    box = mounts(box="/box")
    writer = a_container("writer", "echo from the writer >/box/.new; mv /box/.new /box/letter", **box)
    reader = a_container("reader", "until [ -e /box/letter ]; do sleep 0.1; done; cat /box/letter", **box)
    vk.create_pod(a_pod(name, writer, reader, **volumes(box={"emptyDir": {"medium": medium}})))
    vk.wait_for(name, "Succeeded")

    assert vk.logs(name, "reader") == "from the writer\n"


def test_a_host_path_is_mounted(vk: VirtualKubelet, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the node\n")
    container = a_container(script="cat /host/in; echo from the pod >/host/out", **mounts(host="/host"))
    source: Json = {"hostPath": {"path": str(tmp_path), "type": "Directory"}}
    vk.create_pod(a_pod("host-path", container, **volumes(host=source)))
    vk.wait_for("host-path", "Succeeded")

    assert vk.logs("host-path") == "from the node\n"
    assert (tmp_path / "out").read_text() == "from the pod\n"


def test_the_sidecars_own_folders_cannot_be_mounted(vk: VirtualKubelet, daemon: Daemon) -> None:
    source: Json = {"hostPath": {"path": str(daemon.data_root)}}
    pod = vk.create_pod(a_pod("nosy", a_container(**mounts(host="/host")), **volumes(host=source)))

    assert vk.phase_of("nosy") == "Failed"
    assert "the sidecar&#x27;s own files" in pod["status"]["message"]


def test_a_sub_path_shows_one_file_of_a_volume(vk: VirtualKubelet) -> None:
    mount = {"name": "c", "mountPath": "/etc/one.conf", "subPath": "one"}
    container = a_container(script="cat /etc/one.conf; ls -d /etc/passwd", volumeMounts=[mount])
    files = a_config_map("sub", one="just this\n", two="not this")
    vk.create_pod(files, a_pod("sub-path", container, **volumes(c={"configMap": {"name": "sub"}})))
    vk.wait_for("sub-path", "Succeeded")

    assert vk.logs("sub-path") == "just this\n/etc/passwd\n"


def test_the_working_directory_is_the_pods(vk: VirtualKubelet) -> None:
    vk.create_pod(a_pod("workdir", a_container(script="pwd", workingDir="/var/tmp")))
    vk.wait_for("workdir", "Succeeded")

    assert vk.logs("workdir") == "/var/tmp\n"


def test_a_container_has_its_pods_name_and_may_write_at_its_root(vk: VirtualKubelet) -> None:
    script = "hostname; hostname -f; grep -w db /etc/hosts; touch /made && ls /made; id -u"
    alias = {"ip": "10.1.2.3", "hostnames": ["db"]}
    vk.create_pod(a_pod("named", script=script, hostname="web", subdomain="shop", hostAliases=[alias]))
    vk.wait_for("named", "Succeeded")

    assert vk.logs("named").splitlines() == [
        "web",
        "web.shop.default.svc.cluster.local",
        "10.1.2.3 db",
        "/made",
        str(os.getuid()),
    ]
