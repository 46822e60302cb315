"""Volumes as binds of real folders, and the site's rules for paths of the node."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sidecar.runner.contract.layout import PodFiles
from sidecar.runner.contract.pod_document import node_fact
from sidecar.runner.node.host_paths import CannotMount
from sidecar.runner.node.mounts import Bind, Mounts, outer_first
from tests.unit.runner.documents import FACTS, a_container, a_mount, a_pod, a_volume

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import MountDocument, VolumeDocument

Site = dict[str, Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pod's directory, with one volume of files."""
    root = tmp_path / "pod"
    (root / "volumes" / "conf" / "deep").mkdir(parents=True)
    (root / "volumes" / "conf" / "key").write_text("value\n")
    return root


def mounts_of(root: Path, *volumes: VolumeDocument, site: Site | None = None) -> Mounts:
    mounts = Mounts(PodFiles(str(root)), str(root), a_pod(volumes=list(volumes), site=site), FACTS)
    mounts.make_empty_dirs()
    return mounts


def bind_of(root: Path, volume: VolumeDocument, sub_path: str = "", site: Site | None = None) -> Bind:
    mount = a_mount(volume["name"], "/m", sub_path=sub_path)
    [bind] = mounts_of(root, volume, site=site).binds_of(a_container(mounts=[mount]))
    return bind


CONF = a_volume("conf", "files")
WORK = a_volume("work", "disk")


def test_files_are_read_only_and_other_volumes_as_the_mount_says(root: Path) -> None:
    mounts = [a_mount("conf", "/c"), a_mount("work", "/w"), a_mount("work", "/r", read_only=True)]

    assert mounts_of(root, CONF, WORK).binds_of(a_container(mounts=mounts)) == [
        Bind(f"{root}/volumes/conf", "/c", True),
        Bind(f"{root}/emptydirs/work", "/w", False),
        Bind(f"{root}/emptydirs/work", "/r", True),
    ]


def test_everybody_may_write_to_an_empty_dir_whatever_the_umask_is(root: Path) -> None:
    umask = os.umask(0o077)
    try:
        mounts_of(root, WORK)
    finally:
        os.umask(umask)

    assert stat.S_IMODE((root / "emptydirs" / "work").stat().st_mode) == 0o777
    assert stat.S_IMODE((root / "emptydirs").stat().st_mode) == 0o700


def test_the_files_may_lie_elsewhere_than_the_pods_directory(root: Path, tmp_path: Path) -> None:
    mounts = Mounts(PodFiles(str(tmp_path)), str(root), a_pod(volumes=[CONF]), FACTS)

    [bind] = mounts.binds_of(a_container(mounts=[a_mount("conf", "/c")]))
    assert bind.source == f"{root}/volumes/conf"


def test_a_volume_in_memory_is_for_this_user_and_goes_with_the_job(root: Path) -> None:
    mounts = mounts_of(root, a_volume("fast", "memory"))
    [bind] = mounts.binds_of(a_container(mounts=[a_mount("fast", "/f")]))
    folder = Path(bind.source).parent
    assert folder.parent == Path("/dev/shm")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(bind.source).stat().st_mode) == 0o777
    locked = Path(bind.source, "locked", "deeper")
    locked.mkdir(parents=True)
    locked.parent.chmod(0)

    mounts.remove()
    assert not folder.exists()


def test_outer_paths_come_before_inner_ones_and_others_keep_their_order() -> None:
    paths = ["/w/inner/deep", "/b", "/w/", "/a/x"]
    mounts = [a_mount("v", path) for path in paths]

    assert [mount["path"] for mount in outer_first(mounts)] == ["/b", "/w/", "/a/x", "/w/inner/deep"]


def test_places_inside_of_the_pods_volumes_are_made_by_their_kind(root: Path) -> None:
    mounts = [
        a_mount("work", "/c/new/place"),
        a_mount("conf", "/c"),
        a_mount("conf", "/c/deep/other", sub_path="key"),
    ]
    mounts_of(root, CONF, WORK).binds_of(a_container(mounts=mounts, working_dir="/c/new/place/down"))

    assert (root / "volumes/conf/new/place").is_dir()
    assert (root / "volumes/conf/deep/other").read_text() == ""
    assert (root / "emptydirs/work/down").is_dir()
    assert stat.S_IMODE((root / "emptydirs/work/down").stat().st_mode) == 0o755


def test_files_of_the_pod_get_a_place_in_a_volume_over_all_of_etc(root: Path) -> None:
    hosts = Bind("/private/hosts", "/etc/hosts", False)
    binds = mounts_of(root, CONF).binds_of(a_container(mounts=[a_mount("conf", "/etc")]), [hosts])

    assert binds[-1] == hosts
    assert (root / "volumes/conf/hosts").read_text() == ""


def test_a_place_cannot_be_made_outside_of_the_volume_around_it(root: Path, tmp_path: Path) -> None:
    (root / "volumes/conf/out").symlink_to(tmp_path / "outside")
    mounts = [a_mount("conf", "/c"), a_mount("work", "/c/out/place")]

    with pytest.raises(CannotMount, match=r"^cannot mount over /c/out/place: it leads out of the volume around it$"):
        mounts_of(root, CONF, WORK).binds_of(a_container(mounts=mounts))
    assert not (tmp_path / "outside").exists()


def test_there_is_no_place_below_a_file(root: Path) -> None:
    mounts = [a_mount("conf", "/c"), a_mount("work", "/c/key/place")]

    with pytest.raises(CannotMount, match="over /c/key/place: there is no such place in the volume around it"):
        mounts_of(root, CONF, WORK).binds_of(a_container(mounts=mounts))


def test_a_sub_path_is_made_but_not_in_a_volume_of_files(root: Path) -> None:
    assert bind_of(root, WORK, "x/y").source == f"{root}/emptydirs/work/x/y"
    assert (root / "emptydirs/work/x/y").is_dir()
    assert bind_of(root, CONF, "key").source == f"{root}/volumes/conf/key"
    with pytest.raises(CannotMount, match="subPath gone: the volume has no such file"):
        bind_of(root, CONF, "gone")


@pytest.mark.parametrize("sub_path", ["../..", "out/ssl", "out", "x/../../conf"])
def test_a_sub_path_cannot_leave_its_volume(root: Path, sub_path: str) -> None:
    mounts_of(root, WORK)
    (root / "emptydirs/work/out").symlink_to("/etc")

    with pytest.raises(CannotMount, match=f"subPath {sub_path}: it leads out of its volume"):
        bind_of(root, WORK, sub_path)


def test_a_sub_path_that_is_absolute_begins_in_its_volume(root: Path) -> None:
    assert bind_of(root, WORK, "/etc").source == f"{root}/emptydirs/work/etc"


def test_a_sub_path_that_cannot_be_made_is_told(root: Path) -> None:
    mounts_of(root, WORK)
    (root / "emptydirs/work/file").touch()

    with pytest.raises(CannotMount, match="subPath file/below: it cannot be made"):
        bind_of(root, WORK, "file/below")


def test_a_mount_may_name_what_only_the_node_knows(root: Path) -> None:
    mount: MountDocument = a_mount("work", f"/w/{node_fact('nodeName')}", sub_path=node_fact("hostIP"))
    [bind] = mounts_of(root, WORK).binds_of(a_container(mounts=[mount]))

    assert bind == Bind(f"{root}/emptydirs/work/192.0.2.7", "/w/n1", False)


def test_a_claim_is_a_folder_but_never_one_of_the_sidecars_own(root: Path, tmp_path: Path) -> None:
    for name in ("claim", "ours"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    rules: Site = {"allowed_paths": ["/nowhere"], "protected_paths": [str(tmp_path / "ours")]}

    assert bind_of(root, a_volume("c", "claim", str(tmp_path / "claim")), site=rules).source == str(tmp_path / "claim")
    with pytest.raises(CannotMount, match=f"{tmp_path}/ours: it holds the sidecar's own files"):
        bind_of(root, a_volume("c", "claim", str(tmp_path / "link")), site=rules)
    with pytest.raises(CannotMount, match="own files"):
        bind_of(root, a_volume("c", "claim", str(tmp_path)), site=rules)
    with pytest.raises(CannotMount, match=f"{tmp_path}/gone: the claim's folder is not there on node n1$"):
        bind_of(root, a_volume("c", "claim", str(tmp_path / "gone")), site=rules)


@pytest.mark.parametrize(
    ("kind", "name", "is_right"),
    [
        ("", "folder", True),
        ("", "absent", False),
        ("Directory", "folder", True),
        ("Directory", "file", False),
        ("File", "file", True),
        ("File", "folder", False),
        ("Socket", "file", False),
        ("CharDevice", "/dev/null", True),
        ("BlockDevice", "/dev/null", False),
        ("DirectoryOrCreate", "made/deep", True),
        ("DirectoryOrCreate", "file", False),
        ("FileOrCreate", "made-file", True),
        ("FileOrCreate", "no/such/folder", False),
    ],
)
def test_a_host_path_must_be_what_its_type_says(
    root: Path, tmp_path: Path, kind: str, name: str, is_right: bool
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    volume = a_volume("h", "host", str(tmp_path / name), kind)

    if is_right:
        assert bind_of(root, volume) == Bind(str(tmp_path / name), "/m", False)
    else:
        with pytest.raises(CannotMount, match=f"hostPath {tmp_path / name}: it is not there on node n1"):
            bind_of(root, volume)
    modes = {tmp_path / "made/deep": 0o755, tmp_path / "made": 0o755, tmp_path / "made-file": 0o644}
    assert all(path.stat().st_mode & 0o777 == mode for path, mode in modes.items() if path.exists())


def test_the_sites_rules_for_host_paths_hold_behind_links(root: Path, tmp_path: Path) -> None:
    for name in ("open", "closed", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "open" / "way-out").symlink_to(tmp_path / "closed")
    (tmp_path / "open" / "secret").symlink_to(tmp_path / "secret")
    allowed = [str(tmp_path / "open"), str(tmp_path / "secret")]

    rules: Site = {"allowed_paths": allowed, "protected_paths": [str(tmp_path / "secret")]}

    def is_allowed(name: str, sub_path: str = "") -> bool:
        volume = a_volume("h", "host", str(tmp_path / name))
        try:
            bind_of(root, volume, sub_path, site=rules)
        except CannotMount:
            return False
        return True

    names = ("open", "closed", "open/way-out", "open/secret", "secret", "open/../closed", "openly")
    assert [name for name in names if is_allowed(name)] == ["open"]
    assert [sub for sub in ("secret", "way-out", "new") if is_allowed("open", sub)] == ["new"]
