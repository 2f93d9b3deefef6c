"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.config.units import bytes_of, duration_text, seconds_of, size_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("30d", 2_592_000),
        ("0s", 0),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "5", "s", "5 parsecs", "30m1h", "-5s", "1s1s", "1e3s", "٣s"[::-1]])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds_of(text)


@given(st.integers(0, 10**12))
def test_milliseconds_survive_writing_and_reading(milliseconds: int) -> None:
    assert seconds_of(duration_text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


@pytest.mark.parametrize(("text", "count"), [("64K", 65_536), ("512M", 512 << 20), ("1.5G", 3 << 29)])
def test_sizes_are_read(text: str, count: int) -> None:
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["", "12", "M", "512MB", "-1M", "1 G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        bytes_of(text)


@given(st.integers(1, 1 << 42))
def test_sizes_survive_writing_and_reading(count: int) -> None:
    text = size_text(count)

    assert (int(text) if text.isdigit() else bytes_of(text)) == count
