"""Real pictures in every mode the activities meet, made with Pillow."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

REDDISH = (200, 40, 20)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file of that format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def plain(mode: str, color: Any, kind: str, size: tuple[int, int] = (80, 40), **options: Any) -> bytes:
    """A picture of one colour."""
    return encoded(Image.new(mode, size, color), kind, **options)


def palette_with_hole(width: int, height: int) -> bytes:
    """A palette PNG: the left half transparent (and so white), the right half blue."""
    image = Image.new("P", (width, height), 0)
    image.putpalette([255, 0, 0, 0, 0, 255] + [0, 0, 0] * 254)
    image.paste(1, (width // 2, 0, width, height))
    return encoded(image, "PNG", transparency=0)


def rotated_by_exif(orientation: int) -> bytes:
    """A JPEG that lies on its side and says in its EXIF data how it is to be turned: left red, right blue."""
    image = Image.new("RGB", (80, 40), REDDISH)
    image.paste((20, 40, 200), (40, 0, 80, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", exif=exif.tobytes(), quality=95)


def animated(kind: str) -> bytes:
    """Two frames: red, then blue."""
    first, second = Image.new("RGB", (80, 40), REDDISH), Image.new("RGB", (80, 40), (20, 40, 200))
    return encoded(first, kind, save_all=True, append_images=[second])


def truncated(kind: str) -> bytes:
    """The first half of a picture that does not compress well."""
    whole = encoded(Image.effect_noise((200, 200), 90).convert("RGB"), kind)
    return whole[: len(whole) // 2]
