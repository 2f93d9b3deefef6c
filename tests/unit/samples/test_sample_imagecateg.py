"""workflows/imagecateg.py: which colour a picture is filed under."""

from __future__ import annotations

from types import ModuleType

import pytest

SUMS = {
    "a clear lead": ((10, 20, 90), "blue"),
    "yellow is filed under the first of its two": ((80, 80, 3), "red"),
    "all within two per cent": ((100, 101, 102), "grey"),
    "black": ((0, 0, 0), "grey"),
}


@pytest.mark.parametrize(("sums", "color"), SUMS.values(), ids=SUMS)
def test_the_largest_sum_names_the_color(
    imagecateg: ModuleType, sums: tuple[int, int, int], color: str
) -> None:
    assert imagecateg.predominant(dict(zip(("red", "green", "blue"), sums, strict=True))) == color
