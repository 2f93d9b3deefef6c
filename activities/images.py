"""The tutorial's three activities: resize a picture, sum its colours, file it by colour.

Drop this file into an activity directory of flowyd, or run it: `python activities/images.py` starts one
activity worker (FLOWYD_ENDPOINT says where the engine is). Pictures are kept under IMAGES_DIR, by default a
private folder in the system's temporary directory; all workers of one host share it.

Every activity here may run twice, because a worker can die after the work and before the answer: the
names of files follow from the arguments, files appear whole or not at all, and moving a file that has
already been moved is a success.

Two errors, so that a workflow can tell them apart: PictureError will come again however often it is tried
(no such page, not a picture, broken, too large); DownloadError may be over in a moment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import requests
import urllib3
from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError

from flowyd import Activity, TaskCanceled, activity

TASK_LIST = "image_processing"

#: A download may be this long, and take so long: to connect, between two reads, in all.
DOWNLOAD_BYTES = 64 * 1024 * 1024
CONNECT_S = 5.0
READ_S = 10.0
DOWNLOAD_S = 240.0
#: A picture of more pixels is not decoded: 80 megapixels are 240 MB in memory.
PICTURE_PIXELS = 80_000_000
#: The formats that are read. Others of Pillow's start programs or are rarely tested.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")

MEGAPIXEL = 1_000_000
#: While a download goes on, a heartbeat at most this often, seconds.
HEARTBEAT_PAUSE_S = 3.0


class PictureError(Exception):
    """Raised when there is no usable picture at the URL; trying again is no use."""


class DownloadError(Exception):
    """Raised when the picture did not arrive; trying again may help."""


@activity(name="resize", version=1, task_list=TASK_LIST)
class ResizeImage(Activity):
    """Download a picture and store a copy that fits into a square; the answer is its path."""

    def run(self, url: str, size: int = 256) -> str:
        target = images_dir("resized") / file_name(url, size)
        with download(url, self.heartbeat) as file, picture(file, url) as image:
            image.draft("RGB", (2 * size, 2 * size))  # lets libjpeg decode at 1/2, 1/4 or 1/8
            upright = ImageOps.exif_transpose(image)
            small = in_rgb(upright, url)
            small.thumbnail((size, size), Image.Resampling.LANCZOS)
        with appearing(target) as output:
            small.save(output, "JPEG", quality=88)
        return str(target)


@activity("predominantcolor", "1", TASK_LIST, heartbeat=15)
class PredominantColor(Activity):
    """Download a picture and sum its red, green and blue over all pixels."""

    def run(self, url: str) -> dict[str, int]:
        with download(url, self.heartbeat) as file, picture(file, url) as image:
            return self.sum_colors(image, url)

    def sum_colors(self, image: Image.Image, url: str) -> dict[str, int]:
        """The sums, strip by strip, with a heartbeat after each megapixel.

        Raises:
            TaskCanceled: a heartbeat said that nobody waits any more.
        """
        sums = [0, 0, 0]
        for strip in strips(image):
            for index, total in enumerate(ImageStat.Stat(in_rgb(strip, url)).sum):
                sums[index] += int(total)
            if not self.heartbeat():
                raise TaskCanceled(f"{brief(url)}: nobody waits any more")
        return dict(zip(("red", "green", "blue"), sums, strict=True))


@activity("renameimage", 1, TASK_LIST, start_to_close=10)
class RenameImage(Activity):
    """Move a resized picture into the folder of its colour; the answer is the new path."""

    def run(self, path: str, color: str) -> str:
        if not color.isalpha():
            raise ValueError(f"{color!r} is no name for a folder of one colour")
        source = Path(path)
        target = images_dir(color) / source.name
        try:
            os.replace(source, target)
        except FileNotFoundError:
            if not target.exists():
                raise PictureError(f"there is no file {source} to move") from None
        except OSError as error:
            move_between_file_systems(source, target, error)
        return str(target)


def images_dir(name: str) -> Path:
    """The folder of that name under IMAGES_DIR, or under the private default; made when missing.

    Raises:
        PermissionError: the default's place in the shared temporary directory is somebody else's.
    """
    root = Path(os.environ.get("IMAGES_DIR") or f"{tempfile.gettempdir()}/flowyd-images-{os.geteuid()}")
    for folder in (root, root / name):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if "IMAGES_DIR" not in os.environ and root.lstat().st_uid != os.geteuid():
        raise PermissionError(f"{root} belongs to another user; set IMAGES_DIR")
    return root / name


def file_name(url: str, size: int) -> str:
    """A name that is the same for the same work, so that doing it twice leaves one file."""
    last = url.partition("?")[0].rpartition("/")[2].partition(".")[0]
    readable = "".join(c if c.isalnum() or c in "-_" else "-" for c in last)[:60] or "picture"
    return f"{readable}-{size}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.jpg"


@contextmanager
def download(url: str, heartbeat: Callable[[], bool]) -> Iterator[IO[bytes]]:
    """The document at an http or https URL, as an open file at its start.

    Raises:
        PictureError: the URL is wrong, the answer is a refusal, or the document too long.
        DownloadError: the server could not be reached, broke off, took too long, or has a problem.
        TaskCanceled: a heartbeat said that nobody waits any more.
    """
    with tempfile.TemporaryFile() as file:
        try:
            with requests.get(url, stream=True, timeout=(CONNECT_S, READ_S)) as response:
                refuse(response, url)
                receive(response, url, file, heartbeat)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError) as error:
            raise PictureError(f"{brief(url)} is not a URL to download from: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise DownloadError(f"{brief(url)} did not arrive: {error}") from error
        file.seek(0)
        yield file


def refuse(response: requests.Response, url: str) -> None:
    """Raise for an answer that is no picture: client errors are final, but for "later" (408, 425, 429)."""
    if response.ok:
        return
    text = f"{brief(url)}: the server answered {response.status_code} {response.reason}"
    if response.status_code < 500 and response.status_code not in (408, 425, 429):
        raise PictureError(text)
    raise DownloadError(text)


def receive(response: requests.Response, url: str, file: IO[bytes], heartbeat: Callable[[], bool]) -> None:
    """Copy the body as it arrives, within the limits on length and time, with heartbeats."""
    began = last_beat = time.monotonic()
    received = 0
    # read1 answers with what is there, so that a server that drips bytes cannot hold us past the limit.
    while chunk := response.raw.read1(1 << 16, decode_content=True):
        received += len(chunk)
        if received > DOWNLOAD_BYTES:
            raise PictureError(f"{brief(url)} is longer than {DOWNLOAD_BYTES:,} bytes")
        file.write(chunk)
        now = time.monotonic()
        if now - began > DOWNLOAD_S:
            raise DownloadError(f"{brief(url)} took longer than {DOWNLOAD_S:g} s")
        if now - last_beat > HEARTBEAT_PAUSE_S:
            last_beat = now
            if not heartbeat():
                raise TaskCanceled(f"{brief(url)}: nobody waits any more")


@contextmanager
def picture(file: IO[bytes], url: str) -> Iterator[Image.Image]:
    """The first frame of the picture in the file; whatever Pillow says inside becomes a PictureError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
        with image:
            if image.width * image.height > PICTURE_PIXELS:
                raise PictureError(f"{brief(url)} has too many pixels: {image.width} by {image.height}")
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"{brief(url)} has too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{brief(url)} is not a picture ({', '.join(FORMATS)})") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise PictureError(f"{brief(url)} is a broken picture: {error}") from error


def in_rgb(image: Image.Image, url: str) -> Image.Image:
    """A copy in eight-bit red, green and blue: what is transparent becomes white."""
    if image.mode.startswith("I"):
        low, high = image.convert("I").getextrema()
        if low < 0 or high > 0xFFFF:
            raise PictureError(f"{brief(url)} has grey values of more than 16 bits")
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if image.mode == "F":
        raise PictureError(f"{brief(url)} has floating-point pixels, which have no agreed white")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def strips(image: Image.Image) -> Iterator[Image.Image]:
    """The picture from top to bottom in strips of at most a megapixel, or one row where that is more."""
    rows = max(1, MEGAPIXEL // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


@contextmanager
def appearing(target: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes its name when it is complete and on disk, or vanishes."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".part", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise


def move_between_file_systems(source: Path, target: Path, reason: OSError) -> None:
    """Copy to the target's file system, let the copy appear whole, then remove the source.

    Raises:
        OSError: `reason`, when the two are on one file system and the move failed for another cause.
    """
    if source.stat().st_dev == target.parent.stat().st_dev:
        raise reason
    with source.open("rb") as old, appearing(target) as new:
        shutil.copyfileobj(old, new)
    source.unlink(missing_ok=True)


def brief(url: str) -> str:
    """The URL as errors show it; what SWF keeps of an error is 256 characters."""
    return url if len(url) <= 120 else url[:119] + "…"


if __name__ == "__main__":
    from flowyd import start_activity_worker

    start_activity_worker("flowydtutorial", TASK_LIST)
