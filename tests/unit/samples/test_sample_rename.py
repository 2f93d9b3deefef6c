"""renameimage: moving a file once, twice, and to another disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.samples.sample_run import run


@pytest.fixture
def resized(images: ModuleType) -> Path:
    """A picture that waits to be filed."""
    path: Path = images.images_dir("resized") / "lake-256-0.jpg"
    path.write_bytes(b"a lake")
    return path


def test_the_file_is_moved_into_the_folder_of_its_color(
    images: ModuleType, resized: Path, folder: Path
) -> None:
    kept = run(images.RenameImage, str(resized), "blue")

    assert kept.result == str(folder / "blue" / resized.name)
    assert Path(kept.result).read_bytes() == b"a lake"
    assert not resized.exists()


def test_moving_twice_is_moving_once(images: ModuleType, resized: Path) -> None:
    first = run(images.RenameImage, str(resized), "blue")

    second = run(images.RenameImage, str(resized), "blue")

    assert second.result == first.result


def test_a_file_that_never_was_is_an_error(images: ModuleType, folder: Path) -> None:
    kept = run(images.RenameImage, str(folder / "resized" / "none.jpg"), "blue")

    assert "there is no file" in str(kept.reason)


def test_a_color_cannot_lead_out_of_the_folder(images: ModuleType, resized: Path) -> None:
    kept = run(images.RenameImage, str(resized), "../../etc")

    assert "no name for a folder" in str(kept.reason)
    assert resized.exists()


@pytest.fixture
def other_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """IMAGES_DIR on another file system than tmp_path."""
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.fail("this test needs /dev/shm on a file system of its own")
    folder = shared_memory / f"flowyd-test-{os.getpid()}"
    monkeypatch.setenv("IMAGES_DIR", str(folder))
    return folder


def test_a_file_is_moved_across_file_systems(images: ModuleType, other_disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "lake.jpg"
    source.write_bytes(b"a lake")

    try:
        kept = run(images.RenameImage, str(source), "blue")

        assert Path(kept.result).read_bytes() == b"a lake"
        assert not source.exists()
        assert [path.name for path in (other_disk / "blue").iterdir()] == ["lake.jpg"]
    finally:
        images.shutil.rmtree(other_disk)


def test_an_error_of_the_disk_is_not_taken_for_another_disk(images: ModuleType, resized: Path) -> None:
    (resized.parent.parent / "blue").mkdir()
    (resized.parent.parent / "blue" / resized.name).mkdir()

    kept = run(images.RenameImage, str(resized), "blue")

    assert os.strerror(errno.EISDIR) in str(kept.reason)
    assert resized.exists()


def test_the_default_folder_of_somebody_else_is_refused(
    images: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGES_DIR")
    monkeypatch.setattr(images.tempfile, "tempdir", str(tmp_path))
    me = os.geteuid()
    monkeypatch.setattr(images.os, "geteuid", lambda: me + 1)

    with pytest.raises(PermissionError, match="set IMAGES_DIR"):
        images.images_dir("blue")
