"""The demo's pictures, painted at its start: real JPEG and PNG files, some of several megapixels."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

from PIL import Image

#: Side of the square of random pixels that is stretched to a picture: clouds of colour, as landscapes have.
_GRAIN = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of the demo."""

    name: str
    #: How strong red, green and blue are, 0 to 255.
    tint: tuple[int, int, int]
    #: Pixels.
    size: tuple[int, int]

    @property
    def megapixels(self) -> float:
        """How large it is."""
        return self.size[0] * self.size[1] / 1e6


PICTURES = (
    Picture(name="glacier.jpg", tint=(90, 130, 230), size=(6000, 4000)),
    Picture(name="sunset.jpg", tint=(240, 110, 60), size=(4000, 3000)),
    Picture(name="forest.jpg", tint=(60, 190, 80), size=(3600, 2400)),
    Picture(name="poppies.png", tint=(230, 50, 40), size=(1600, 1200)),
    Picture(name="lake.png", tint=(50, 110, 200), size=(1200, 900)),
    Picture(name="pebbles.jpg", tint=(150, 150, 150), size=(2400, 1600)),
)


def paint(picture: Picture) -> bytes:
    """The file of the picture; the same each time."""
    chance = random.Random(picture.name)
    noise = chance.randbytes(_GRAIN * _GRAIN)
    clouds = Image.frombytes("L", (_GRAIN, _GRAIN), noise).point(lambda value: 140 + value * 115 // 255)
    channels = [clouds.point(lambda value, share=share: value * share // 255) for share in picture.tint]
    image = Image.merge("RGB", channels).resize(picture.size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    if picture.name.endswith(".png"):
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, "JPEG", quality=92)
    return file.getvalue()
