"""The cache of images, as files."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sidecar.pod_files import image_cache

IMAGE = "docker://registry.example/lab/tool:1"
LATER = datetime.now(UTC) + timedelta(days=40)


def put(root: Path, image: str = IMAGE, *, namespace: str = "", job: str = "") -> Path:
    """An image as a job leaves it there."""
    folder = root / ".images" / str(os.getuid())
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / image_cache.cache_key(image, namespace)
    file = base.with_suffix(".sif")
    file.write_text("four")
    base.with_suffix(".lock").touch()
    base.with_suffix(".txt").write_text(f"image={image}\nnamespace={namespace}\nfetched=1767225600\n")
    base.with_suffix(".cache").mkdir(exist_ok=True)
    if job:
        folder.joinpath(f"{base.name}.used.{job}.main").hardlink_to(file)
    return file


def names(root: Path) -> list[str]:
    return [image.image for image in image_cache.listed(root)]


def test_an_image_is_listed_with_what_is_known_about_it(tmp_path: Path) -> None:
    put(tmp_path, namespace="lab", job="12_3")
    [image] = image_cache.listed(tmp_path)

    assert (image.image, image.namespace, image.size_bytes) == (IMAGE, "lab", 4)
    assert image.fetched_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert image.jobs == ("12_3",)
    assert image_cache.listed(tmp_path / "elsewhere") == []


def test_an_image_with_a_login_has_a_place_for_each_namespace(tmp_path: Path) -> None:
    keys = {image_cache.cache_key(IMAGE, namespace) for namespace in ("", "lab", "other")}

    assert len(keys) == 3


def test_an_image_that_a_live_job_uses_stays(tmp_path: Path) -> None:
    put(tmp_path, job="7")
    [image] = image_cache.listed(tmp_path)

    assert image_cache.unused(tmp_path, since=LATER, live_jobs={"7"}) == []
    assert not image_cache.remove(image, since=LATER, live_jobs={"7"})
    assert image_cache.unused(tmp_path, since=LATER, live_jobs={"8"}) == [image]


def test_an_image_that_was_used_lately_stays(tmp_path: Path) -> None:
    put(tmp_path)
    [image] = image_cache.listed(tmp_path)
    before = datetime.now(UTC) - timedelta(hours=1)

    assert image_cache.unused(tmp_path, since=before, live_jobs=()) == []
    assert not image_cache.remove(image, since=before, live_jobs=())


def test_an_image_that_is_being_pulled_stays(tmp_path: Path) -> None:
    file = put(tmp_path)
    [image] = image_cache.listed(tmp_path)
    with file.with_suffix(".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not image_cache.remove(image, since=LATER, live_jobs=())

    assert image_cache.remove(image, since=LATER, live_jobs=())
    assert list(file.parent.iterdir()) == []


def test_what_dead_jobs_left_goes_and_what_live_ones_have_stays(tmp_path: Path) -> None:
    folder = put(tmp_path, job="7").parent
    key = image_cache.cache_key(IMAGE)
    for job in ("7", "8", "warm-12"):
        (folder / f"{key}.part.{job}.main").mkdir()
    (folder / f"{key}.used.8.main").touch()

    assert image_cache.remove_abandoned(tmp_path, live_jobs={"7"}, now=datetime.now(UTC)) == 2
    left = sorted(path.name.partition(".")[2] for path in folder.iterdir())
    assert left == ["cache", "lock", "part.7.main", "part.warm-12.main", "sif", "txt", "used.7.main"]
    assert image_cache.remove_abandoned(tmp_path, live_jobs={"7"}, now=LATER) == 1
    assert names(tmp_path) == [IMAGE]
