"""activities/images.py with real pictures from a real web server."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from tests.unit.samples.sample_pictures import (
    REDDISH,
    animated,
    encoded,
    palette_with_hole,
    plain,
    rotated_by_exif,
    truncated,
)
from tests.unit.samples.sample_run import fresh, run
from tests.unit.samples.sample_server import WebServer

#: What each picture is, and the average red, green and blue that it has.
PICTURES = {
    "rgb-jpeg": (plain("RGB", REDDISH, "JPEG", quality=95), REDDISH),
    "rgb-png": (plain("RGB", REDDISH, "PNG"), REDDISH),
    "webp": (plain("RGB", REDDISH, "WEBP", lossless=True), REDDISH),
    "bmp": (plain("RGB", REDDISH, "BMP"), REDDISH),
    "tiff": (plain("RGB", REDDISH, "TIFF"), REDDISH),
    "cmyk-jpeg": (plain("CMYK", (0, 200, 220, 20), "JPEG", quality=95), (235, 51, 32)),
    "black-and-white": (plain("1", 1, "PNG"), (255, 255, 255)),
    "grey": (plain("L", 90, "PNG"), (90, 90, 90)),
    "grey-with-alpha": (plain("LA", (0, 0), "PNG"), (255, 255, 255)),
    "half-transparent": (plain("RGBA", (255, 0, 0, 128), "PNG"), (255, 127, 127)),
    "palette": (encoded(Image.new("RGB", (80, 40), REDDISH).quantize(4), "PNG"), REDDISH),
    "palette-with-transparency": (palette_with_hole(80, 40), (127.5, 127.5, 255)),
    "16-bit-grey": (plain("I;16", 0x8000, "PNG"), (128, 128, 128)),
    "16-bit-grey-tiff": (plain("I;16", 0x4000, "TIFF"), (64, 64, 64)),
    "animated-gif": (animated("GIF"), REDDISH),
    "animated-webp": (animated("WEBP"), REDDISH),
}


@pytest.mark.parametrize(("body", "average"), PICTURES.values(), ids=PICTURES)
def test_colors_are_summed_in_every_mode(
    images: ModuleType, web: WebServer, body: bytes, average: tuple[float, float, float]
) -> None:
    kept = run(images.PredominantColor, web.put("/picture", body))

    assert kept.reason is None
    averages = [kept.result[color] / (80 * 40) for color in ("red", "green", "blue")]
    assert averages == pytest.approx(average, abs=4)


@pytest.mark.parametrize(("body", "average"), PICTURES.values(), ids=PICTURES)
def test_every_mode_is_resized_to_a_jpeg(
    images: ModuleType, web: WebServer, body: bytes, average: tuple[float, float, float]
) -> None:
    kept = run(images.ResizeImage, web.put("/picture", body), 20)

    with Image.open(kept.result) as copy:
        assert (copy.format, copy.mode, copy.size) == ("JPEG", "RGB", (20, 10))
        if max(average) - min(average) > 150 and 127.5 not in average:
            assert copy.getpixel((10, 5)) == pytest.approx(average, abs=12)


@pytest.mark.parametrize(("orientation", "left_is_red"), [(6, None), (8, None), (3, False), (1, True)])
def test_a_picture_is_turned_as_its_exif_data_says(
    images: ModuleType, web: WebServer, orientation: int, left_is_red: bool | None
) -> None:
    kept = run(images.ResizeImage, web.put("/picture", rotated_by_exif(orientation)), 20)

    with Image.open(kept.result) as copy:
        if left_is_red is None:
            assert copy.size == (10, 20)
            red, _, blue = copy.getpixel((5, 2))
            assert (red > blue) == (orientation == 6)
        else:
            red, _, blue = copy.getpixel((2, 5))
            assert (red > blue) == left_is_red


def test_a_small_picture_is_not_blown_up(images: ModuleType, web: WebServer) -> None:
    kept = run(images.ResizeImage, web.put("/picture", plain("RGB", REDDISH, "PNG")), 400)

    with Image.open(kept.result) as copy:
        assert copy.size == (80, 40)


def test_resizing_twice_leaves_one_file_and_nothing_unfinished(
    images: ModuleType, web: WebServer, folder: Path
) -> None:
    url = web.put("/a/lake.jpg", plain("RGB", REDDISH, "JPEG"))

    first, second = run(images.ResizeImage, url, 20), run(images.ResizeImage, url, 20)

    assert first.result == second.result
    assert [str(path) for path in (folder / "resized").iterdir()] == [first.result]
    assert Path(first.result).name.startswith("lake-20-")


def test_one_heartbeat_after_each_megapixel(images: ModuleType, web: WebServer) -> None:
    url = web.put("/large", plain("RGB", REDDISH, "PNG", size=(2000, 1600)))

    kept = run(images.PredominantColor, url)

    assert kept.heartbeats == 4
    assert kept.result["red"] == 200 * 2000 * 1600


def test_summing_stops_when_nobody_waits(images: ModuleType, web: WebServer) -> None:
    url = web.put("/large", plain("RGB", REDDISH, "PNG", size=(2000, 1600)))

    kept = run(images.PredominantColor, url, heartbeats=[True, False])

    assert kept.heartbeats == 2
    assert kept.canceled


def test_a_download_stops_when_nobody_waits(
    images: ModuleType, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "HEARTBEAT_PAUSE_S", 0.02)
    url = web.put("/slow", web.dripping(b"x", 0.01))

    kept = run(images.PredominantColor, url, heartbeats=[True, False])

    assert kept.heartbeats == 2
    assert kept.canceled


def test_truncated_pictures_are_refused(images: ModuleType, web: WebServer) -> None:
    for kind in ("JPEG", "PNG"):
        url = web.put("/half", truncated(kind))

        for activity in (images.PredominantColor, images.ResizeImage):
            assert "/half is a broken picture: " in str(run(activity, url).reason)


NO_PICTURES = {
    "text": b"<html>Sign in to see this picture</html>",
    "empty": b"",
    "header only": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("body", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_said_to_be_none(images: ModuleType, web: WebServer, body: bytes) -> None:
    kept = run(images.PredominantColor, web.put("/page", body))

    assert "picture" in str(kept.reason)
    assert "/page is " in str(kept.reason)


def test_too_many_pixels_are_refused_before_they_are_decoded(images: ModuleType, web: WebServer) -> None:
    for side in (9_000, 10_000, 14_000):
        url = web.put("/bomb", plain("1", 0, "PNG", size=(side, side)))

        kept = run(images.ResizeImage, url)

        assert "/bomb has too many pixels" in str(kept.reason)


def test_grey_values_without_an_agreed_white_are_refused(images: ModuleType, web: WebServer) -> None:
    floating = run(images.PredominantColor, web.put("/f.tiff", plain("F", 0.5, "TIFF")))
    wide = run(images.PredominantColor, web.put("/i.tiff", plain("I", 70_000, "TIFF")))

    assert "floating-point" in str(floating.reason)
    assert "more than 16 bits" in str(wide.reason)


def test_a_download_that_is_too_long_is_refused(
    images: ModuleType, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "DOWNLOAD_BYTES", 1_000)

    kept = run(images.PredominantColor, web.put("/long", [b"x" * 999, b"yz"]))

    assert "/long is longer than 1,000 bytes" in str(kept.reason)


def test_a_silent_server_is_given_up(
    images: ModuleType, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "READ_S", 0.1)

    kept = run(images.PredominantColor, web.put("/silent", web.silent()))

    assert "/silent did not arrive" in str(kept.reason)


def test_a_server_that_drips_bytes_is_given_up(
    images: ModuleType, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "DOWNLOAD_S", 0.1)

    kept = run(images.PredominantColor, web.put("/drips", web.dripping(b"x", 0.02)))

    assert "/drips took longer than 0.1 s" in str(kept.reason)


def test_a_download_that_breaks_off_may_be_tried_again(images: ModuleType, web: WebServer) -> None:
    url = web.put("/breaks-off", b"only this", Content_Length="1000")

    with pytest.raises(images.DownloadError, match="did not arrive"):
        fresh(images.ResizeImage).run(url)


ANSWERS = {
    404: "PictureError",
    403: "PictureError",
    410: "PictureError",
    429: "DownloadError",
    500: "DownloadError",
    503: "DownloadError",
}


@pytest.mark.parametrize(("status", "error"), ANSWERS.items())
def test_only_errors_that_may_pass_are_tried_again(
    images: ModuleType, web: WebServer, status: int, error: str
) -> None:
    url = web.put("/page", b"sorry", status=status)

    with pytest.raises(getattr(images, error), match=f"the server answered {status}"):
        fresh(images.ResizeImage).run(url)


@pytest.mark.parametrize(
    "url", ["lake.jpg", "ftp://127.0.0.1/lake.jpg", "http://", "http://[", "file:///etc/passwd"]
)
def test_a_wrong_url_is_not_tried_again(images: ModuleType, url: str) -> None:
    with pytest.raises(images.PictureError, match="is not a URL to download from"):
        fresh(images.ResizeImage).run(url)


def test_a_server_that_is_away_is_tried_again(images: ModuleType, web: WebServer) -> None:
    url = web.put("/picture", b"")
    web.shutdown()
    web.server_close()

    with pytest.raises(images.DownloadError, match="did not arrive"):
        fresh(images.ResizeImage).run(url)


def test_a_long_url_leaves_room_for_the_reason(images: ModuleType, web: WebServer) -> None:
    url = web.put("/" + "x" * 300, b"no picture")

    kept = run(images.ResizeImage, url)

    assert "is not a picture" in str(kept.reason)
