"""Volumes in real containers, and the site's rules for paths of the node."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from sidecar.domain.pod import (
    ClaimVolume,
    EmptyDirVolume,
    FilesVolume,
    HostPathVolume,
    Mount,
    Pod,
    VolumeFile,
)
from sidecar.pod_files import directory
from sidecar.pod_files.site import JobSite
from tests.jobs import a_container, a_pod, an_init_container
from tests.running import Starter

FILES = FilesVolume(
    name="conf",
    files=(
        VolumeFile(path="key", content=b"value\n", mode=0o440),
        VolumeFile(path="deep/bin", content=b"\x00\xff", mode=0o755),
        VolumeFile(path="..data", content=b"dots\n"),
    ),
)


@pytest.mark.parametrize("shared_fs", [True, False])
def test_files_volumes_show_exactly_their_files_read_only(start: Starter, tmp_path: Path, shared_fs: bool) -> None:
    text = "cd /c; find . -type f | sort | xargs stat -c '%n %a'; cat key; touch key || echo refused"
    pod = a_pod(a_container("main", "sh", "-c", text, mounts=(Mount(volume="conf", path="/c"),)), volumes=(FILES,))
    job = start(pod, site=JobSite(data_root=tmp_path, shared_fs=shared_fs))

    assert job.finish() == 0
    assert job.log().startswith("./..data 644\n./deep/bin 755\n./key 440\nvalue\n")
    assert job.log().endswith("refused\n")
    assert (job.files.root / "pod.json").exists() is shared_fs


def test_sub_paths_files_over_files_and_volumes_inside_volumes(start: Starter) -> None:
    mounts = (
        Mount(volume="conf", path="/etc/passwd", sub_path="key"),
        Mount(volume="conf", path='/new/a, b:c"d/file', sub_path="deep/bin"),
        Mount(volume="work", path="/w/inner/deep"),
        Mount(volume="outer", path="/w"),
        Mount(volume="work", path="/made", sub_path="x/y"),
    )
    text = (
        "cat /etc/passwd; wc -c < '/new/a, b:c\"d/file'; touch /w/o /w/inner/deep/i /made/m; ls /w; find /w/inner/deep"
    )
    volumes = (FILES, EmptyDirVolume(name="work"), EmptyDirVolume(name="outer"))
    job = start(a_pod(a_container("main", "sh", "-c", text, mounts=mounts), volumes=volumes))

    assert job.finish() == 0
    assert job.log().splitlines()[:4] == ["value", "2", "inner", "o"]
    assert {"/w/inner/deep/i", "/w/inner/deep/x/y/m"} <= set(job.log().splitlines())


def test_volumes_are_mounted_inside_read_only_volumes_and_over_files_of_the_image(start: Starter) -> None:
    mounts = (
        Mount(volume="conf", path="/c"),
        Mount(volume="work", path="/c/new/place"),
        Mount(volume="conf", path="/c/deep/other", sub_path="key"),
        Mount(volume="conf", path="/c/key", sub_path="deep/bin"),
        Mount(volume="conf", path="/bin/busybox.conf", sub_path="key"),
        Mount(volume="work", path="/usr/sbin"),
    )
    text = "cd /c; echo w > new/place/w; cat /usr/sbin/w deep/other; wc -c <key; ls deep; cat /bin/busybox.conf"
    volumes = (FILES, EmptyDirVolume(name="work"))
    job = start(a_pod(a_container("main", "sh", "-c", text, mounts=mounts), volumes=volumes))

    assert job.finish() == 0
    assert job.log().splitlines() == ["w", "value", "2", "bin", "other", "value"]


def test_a_working_directory_inside_a_volume_is_made(start: Starter) -> None:
    mount = Mount(volume="work", path="/w")
    main = a_container("main", "pwd", mounts=(mount,), working_dir="/w/deep/down")
    job = start(a_pod(main, volumes=(EmptyDirVolume(name="work"),)))

    assert job.finish() == 0
    assert job.log() == "/w/deep/down\n"


def test_several_containers_have_the_same_volumes(start: Starter) -> None:
    mounts = (Mount(volume="conf", path="/c"), Mount(volume="work", path="/w"))
    job = start(
        a_pod(
            an_init_container("init", "sh", "-c", "cat /c/key >/w/made", mounts=mounts),
            a_container("one", "sh", "-c", "cat /w/made", mounts=mounts),
            a_container("two", "sh", "-c", "cat /w/made /c/..data", mounts=mounts),
            volumes=(FILES, EmptyDirVolume(name="work")),
        )
    )

    assert job.finish() == 0
    assert (job.log("one"), job.log("two")) == ("value\n", "value\ndots\n")


def test_a_claim_is_a_folder_of_the_cluster_but_never_one_of_ours(start: Starter, tmp_path: Path) -> None:
    for name in ("claims", "ours"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    site = JobSite(data_root=tmp_path, allowed_host_paths=("/nowhere",), protected_paths=(str(tmp_path / "ours"),))
    said = {}
    for name, read_only in (("claims", False), ("claims", True), ("link", False), ("gone", False)):
        mount = Mount(volume="c", path="/c", sub_path="sub/dir" if read_only else "")
        text = "mkdir -p /c/sub/dir && echo written" if not read_only else "touch /c/x || echo refused"
        volume = ClaimVolume(name="c", path=str(tmp_path / name), read_only=read_only)
        job = start(a_pod(a_container("main", "sh", "-c", text, mounts=(mount,)), volumes=(volume,)), site=site)
        job.finish()
        said[name, read_only] = job.log().splitlines()[-1].removeprefix("slurm-sidecar: cannot mount ")
        directory.remove(job.files)

    assert said["claims", False] == "written"
    assert said["claims", True] == "refused"
    assert said["link", False] == f"{tmp_path}/ours: it holds the sidecar's own files"
    assert said["gone", False].startswith(f"{tmp_path}/gone: the claim's folder is not there on node ")


@pytest.mark.parametrize("shared_fs", [True, False])
def test_large_volumes_arrive_whole(start: Starter, tmp_path: Path, shared_fs: bool) -> None:
    big = random.Random(1).randbytes(1024 * 1024)
    small = tuple(VolumeFile(path=f"k{n:03}", content=str(n).encode()) for n in range(100))
    volumes = (
        FilesVolume(name="big", files=(VolumeFile(path="one", content=big),)),
        FilesVolume(name="many", files=small),
    )
    mounts = (Mount(volume="big", path="/big"), Mount(volume="many", path="/many"))
    text = "sha256sum /big/one; cat /many/* | sha256sum; ls /many | wc -l"
    pod = a_pod(a_container("main", "sh", "-c", text, mounts=mounts), volumes=volumes)
    job = start(pod, site=JobSite(data_root=tmp_path, shared_fs=shared_fs))

    assert job.finish() == 0
    sums = [hashlib.sha256(content).hexdigest() for content in (big, b"".join(f.content for f in small))]
    assert job.log().split() == [sums[0], "/big/one", sums[1], "-", "100"]


def test_a_sub_path_cannot_leave_its_volume_through_a_link(start: Starter) -> None:
    volume = EmptyDirVolume(name="v")
    job = start(
        a_pod(
            an_init_container("init", "ln", "-s", "/etc", "/v/out", mounts=(Mount(volume="v", path="/v"),)),
            a_container("main", "ls", "/m", mounts=(Mount(volume="v", path="/m", sub_path="out/ssl"),)),
            volumes=(volume,),
        )
    )

    assert job.finish() == 128
    assert "leads out of its volume" in job.log()
    assert "ContainerStarted main.0" not in job.story()


def test_memory_volumes_are_gone_when_the_job_is(start: Starter) -> None:
    before = set(Path("/dev/shm").glob("slurm-sidecar.*"))
    pod = a_pod(
        a_container(
            "main",
            "sh",
            "-c",
            "mkdir /m/d; touch /m/d/x; chmod 0 /m/d; stat -f -c %T /m | grep -c tmpfs",
            mounts=(Mount(volume="m", path="/m"),),
        ),
        volumes=(EmptyDirVolume(name="m", in_memory=True),),
    )
    job = start(pod)

    assert job.finish() == 0
    assert job.log() == "1\n"
    assert set(Path("/dev/shm").glob("slurm-sidecar.*")) <= before


def host_pod(path: Path, kind: str, text: str = "ls -d /h") -> Pod:
    return a_pod(
        a_container("main", "sh", "-c", text, mounts=(Mount(volume="h", path="/h"),)),
        volumes=(HostPathVolume(name="h", path=str(path), type=kind),),
    )


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        ("", "folder", 0),
        ("", "absent", 128),
        ("Directory", "folder", 0),
        ("Directory", "file", 128),
        ("File", "file", 0),
        ("File", "folder", 128),
        ("Socket", "file", 128),
        ("CharDevice", "/dev/null", 0),
        ("BlockDevice", "/dev/null", 128),
        ("DirectoryOrCreate", "made/deep", 0),
        ("DirectoryOrCreate", "file", 128),
        ("FileOrCreate", "made-file", 0),
    ],
)
def test_host_paths_must_be_what_their_type_says(
    start: Starter, tmp_path: Path, kind: str, name: str, code: int
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    job = start(host_pod(tmp_path / name, kind))

    assert job.finish() == code
    assert (str(tmp_path / name) in job.log()) is (code == 128)
    modes = {tmp_path / "made/deep": 0o755, tmp_path / "made": 0o755, tmp_path / "made-file": 0o644}
    assert all(path.stat().st_mode & 0o777 == mode for path, mode in modes.items() if path.exists())


def test_the_site_s_rules_for_host_paths_hold_behind_links(start: Starter, tmp_path: Path) -> None:
    for name in ("open", "closed", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "open" / "way-out").symlink_to(tmp_path / "closed")
    (tmp_path / "open" / "secret").symlink_to(tmp_path / "secret")
    site = JobSite(
        data_root=tmp_path,
        allowed_host_paths=(str(tmp_path / "open"), str(tmp_path / "secret")),
        protected_paths=(str(tmp_path / "secret"),),
    )
    codes = {}
    for name in ("open", "closed", "open/way-out", "open/secret", "secret", "open/../closed"):
        job = start(host_pod(tmp_path / name, ""), site=site)
        codes[name] = job.finish()
        directory.remove(job.files)

    assert [name for name, code in codes.items() if code == 0] == ["open"]
    assert set(codes.values()) == {0, 128}


def test_memory_may_take_the_place_of_dev_shm_and_is_shared_there(start: Starter) -> None:
    shared = (Mount(volume="shm", path="/dev/shm"),)
    write = an_init_container("write", "sh", "-c", "echo shared >/dev/shm/file", mounts=shared)
    read = a_container("main", "cat", "/dev/shm/file", mounts=shared)
    job = start(a_pod(write, read, volumes=(EmptyDirVolume(name="shm", in_memory=True),)))

    assert job.finish() == 0
    assert job.log() == "shared\n"
