"""Images from a real registry, from the pod to the container, and the verbs about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import registry as registries
from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod, a_secret, mounts, volumes
from tests.e2e.programs import Fault
from tests.e2e.waiting import until
from tests.registry import PASSWORD, Registry
from tests.virtual_kubelet.kubelet import VirtualKubelet

MANY = 30


@pytest.fixture(scope="module")
def folder(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Iterator[Registry]:
    with registries.running(folder / "open") as registry:
        yield registry


@pytest.fixture(scope="module")
def private(folder: Path) -> Iterator[Registry]:
    with registries.running(folder / "private", private=True) as registry:
        registry.push("lab/secret")
        yield registry


@pytest.fixture(scope="module")
def site(folder: Path, image: Path) -> Iterator[Daemon]:
    """Registries without TLS, and a login for the namespace ``default`` where a test writes one."""
    (folder / "logins").mkdir()
    (folder / "daemon").mkdir()
    daemon = Daemon(
        folder / "daemon",
        image,
        ImagePrefix="",
        CommandPrefix="export APPTAINER_NOHTTPS=1",
        RegistryAuthFile=f"{folder}/logins/{{namespace}}.json",
    )
    daemon.start()
    yield daemon
    daemon.destroy()


@pytest.fixture(scope="module")
def kubelet(site: Daemon) -> VirtualKubelet:
    return site.kubelet()


def pod_of(name: str, image: str, script: str = "echo here", **more: Any) -> dict[str, Any]:
    return a_pod(name, a_container(script=script, image=image), **more)


def why(kubelet: VirtualKubelet, name: str) -> str:
    kubelet.wait_for(name, "Failed")
    return str(kubelet.container(name)["state"]["terminated"]["message"])


def listed(site: Daemon) -> dict[str, Any]:
    return {entry["image"]: entry for entry in json.loads(site.command("image", "list", "--json").stdout)}


def test_many_pods_download_their_image_once(kubelet: VirtualKubelet, registry: Registry) -> None:
    registry.push("lab/many")
    names = [f"many-{number}" for number in range(MANY)]
    for name in names:
        kubelet.create_pod(pod_of(name, f"{registry.host}/lab/many:1"))
    for name in names:
        kubelet.wait_for(name, "Succeeded", timeout=120)

    assert kubelet.logs(names[-1]) == "here\n"
    assert registry.downloads("lab/many") == 1


def test_a_name_that_no_registry_has_is_refused_at_once(kubelet: VirtualKubelet) -> None:
    pod = kubelet.create_pod(pod_of("misnamed", "docker.io/Library/Busybox"))

    assert pod["status"]["phase"] == "Failed"
    assert "InvalidImageName: " in pod["status"]["message"]
    assert "names are in lower case" in pod["status"]["message"]


def test_an_image_by_tag_and_digest_is_that_of_the_digest(kubelet: VirtualKubelet, registry: Registry) -> None:
    digest = registry.push("lab/pinned", Env=["PATH=/bin", "VERSION=1"])
    registry.push("lab/pinned", Env=["PATH=/bin", "VERSION=2"])
    kubelet.create_pod(pod_of("pinned", f"{registry.host}/lab/pinned:1@{digest}", "echo $VERSION"))
    kubelet.wait_for("pinned", "Succeeded")

    assert kubelet.logs("pinned") == "1\n"


def test_never_with_an_empty_cache_says_so(kubelet: VirtualKubelet, registry: Registry) -> None:
    container = a_container(image=f"{registry.host}/lab/never:1", imagePullPolicy="Never")
    kubelet.create_pod(a_pod("never", container))

    assert "was never fetched here, and imagePullPolicy is Never" in why(kubelet, "never")


def test_an_image_that_no_registry_has_fails_the_pod_with_the_runtimes_words(
    kubelet: VirtualKubelet, registry: Registry
) -> None:
    registry.push("lab/there")
    kubelet.create_pod(pod_of("absent", f"{registry.host}/lab/there:absent"))

    message = why(kubelet, "absent")
    assert message.startswith("ErrImagePull: ")
    assert "manifest unknown" in message


def test_while_its_image_cannot_be_had_a_pod_that_always_runs_waits(
    kubelet: VirtualKubelet, registry: Registry
) -> None:
    registry.push("lab/late")
    kubelet.create_pod(pod_of("late", f"{registry.host}/lab/late:absent", restart="Always"))
    kubelet.wait_until(
        lambda: kubelet.container("late")["state"].get("waiting", {}).get("reason") == "ImagePullBackOff", "late"
    )

    message = kubelet.container("late")["state"]["waiting"]["message"]
    assert message.startswith("try 1 failed, the next follows in 10 s: ")
    assert "manifest unknown" in message
    kubelet.delete_pod("late")


def test_a_private_image_needs_the_pods_secret(kubelet: VirtualKubelet, private: Registry, site: Daemon) -> None:
    image = f"{private.host}/lab/secret:1"
    secret = a_secret("pull", **{".dockerconfigjson": json.dumps(registries.login(private.host))})
    container = a_container(script="echo here", image=image, **mounts(pull="/run/pull"))
    with_secret = a_pod(
        "with", container, imagePullSecrets=[{"name": "pull"}], **volumes(pull={"secret": {"secretName": "pull"}})
    )
    uid = kubelet.create_pod(secret, with_secret)["metadata"]["uid"]
    kubelet.wait_for("with", "Succeeded")
    without = kubelet.create_pod(pod_of("without", image, imagePullSecrets=[{"name": "pull"}]))["metadata"]["uid"]

    assert "authentication required" in why(kubelet, "without")
    assert any("Secret pull did not arrive" in note for note in notes(site, without))
    assert not any("did not arrive" in note for note in notes(site, uid))
    until(lambda: "job_succeeded" in site.history(uid), "the pod's end is on record")
    auth = registries.login(private.host)["auths"][private.host]["auth"]
    for path in site.records():
        assert PASSWORD.encode() not in path.read_bytes()
        assert auth.encode() not in path.read_bytes()


def notes(site: Daemon, uid: str) -> list[str]:
    found: list[str] = json.loads(site.command("history", uid, "--json").stdout)["pod"]["notes"]
    return found


def test_the_site_has_a_login_for_a_namespace(
    kubelet: VirtualKubelet, private: Registry, folder: Path, site: Daemon
) -> None:
    (folder / "logins" / "default.json").write_text(json.dumps(registries.login(private.host)))
    private.push("lab/site")
    kubelet.create_pod(pod_of("of-site", f"{private.host}/lab/site:1"))
    kubelet.wait_for("of-site", "Succeeded")
    (folder / "logins" / "default.json").unlink()

    assert listed(site)[f"docker://{private.host}/lab/site:1"]["namespace"] == "default"


def test_a_warmed_image_is_there_for_the_next_pod(kubelet: VirtualKubelet, registry: Registry, site: Daemon) -> None:
    digest = registry.push("lab/warm")
    image = f"{registry.host}/lab/warm@{digest}"
    done = site.command("image", "warm", image)
    container = a_container(script="echo here", image=image, imagePullPolicy="Never")
    kubelet.create_pod(a_pod("warmed", container))
    kubelet.wait_for("warmed", "Succeeded")

    assert (done.returncode, done.stdout) == (0, f"docker://{image} is in the cache\n")
    assert kubelet.logs("warmed") == "here\n"
    entry = listed(site)[f"docker://{image}"]
    assert entry["digest"] == digest
    assert entry["bytes"] == Path(entry["path"]).stat().st_size
    assert site.command("image", "list").stdout.startswith("IMAGE\tNAMESPACE\tSIZE\tFETCHED\tUSED\tJOBS\n")


def test_warming_a_private_image_takes_a_login(private: Registry, site: Daemon, tmp_path: Path) -> None:
    private.push("lab/early")
    authfile = tmp_path / "auth.json"
    authfile.write_text(json.dumps(registries.login(private.host)))
    image = f"{private.host}/lab/early:1"
    refused = site.command("image", "warm", image)
    done = site.command("image", "warm", image, "--authfile", str(authfile), "--namespace", "lab", "--json")

    assert refused.returncode == 1
    assert "authentication required" in refused.stderr
    [result] = json.loads(done.stdout)
    assert (result["error"], result["cached"]["namespace"]) == (None, "lab")


def test_pruning_leaves_what_a_job_uses(kubelet: VirtualKubelet, registry: Registry, site: Daemon) -> None:
    for name in ("lab/used", "lab/idle"):
        registry.push(name)
    used, idle = (f"docker://{registry.host}/{name}:1" for name in ("lab/used", "lab/idle"))
    kubelet.create_pod(pod_of("user", used, "echo begun; sleep 600", terminationGracePeriodSeconds=1))
    kubelet.wait_for("user", "Running")
    assert site.command("image", "warm", idle).returncode == 0
    leftover = Path(listed(site)[idle]["path"]).with_suffix(".part.1.main")
    leftover.mkdir()
    young = site.command("image", "prune", "--unused-for", "1h")
    tried = site.command("image", "prune", "--all", "--dry-run")
    before = listed(site)
    done = json.loads(site.command("image", "prune", "--all", "--json").stdout)

    assert young.stdout.startswith("0 images, 0.0 MiB")
    assert f"would remove {idle}" in tried.stdout
    assert {used, idle} <= set(before)
    assert idle in [entry["image"] for entry in done["removed"]]
    assert set(listed(site)) == {used}
    assert listed(site)[used]["jobs"] == [kubelet.job_id_of("user")]
    assert not leftover.exists()
    kubelet.delete_pod("user")


def test_pruning_needs_slurms_word(site: Daemon, registry: Registry) -> None:
    registry.push("lab/stays")
    image = f"docker://{registry.host}/lab/stays:1"
    assert site.command("image", "warm", image).returncode == 0
    site.doors.set(Fault.FAIL, "squeue")
    done = site.command("image", "prune", "--all")
    site.doors.lift()

    assert done.returncode == 1
    assert "nothing was removed" in done.stderr
    assert image in listed(site)
