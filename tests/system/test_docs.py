"""The pages of docs/ do what they say: every block of those named here is carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.doc_blocks import Reader, blocks_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["tutorial", "authors", "operators"])
def test_whoever_follows_the_page_gets_what_it_shows(page: str, tmp_path: Path) -> None:
    file = ROOT / "docs" / f"{page}.md"
    reader = Reader(tmp_path)
    try:
        for block in blocks_of(file):
            try:
                reader.follow(block)
            except AssertionError as error:
                raise AssertionError(f"{file}:{block.line}\n{error}") from error
    finally:
        reader.leave()
