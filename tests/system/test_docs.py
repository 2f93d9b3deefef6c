"""The pages of docs/ do what they say: every block of those named here is carried out."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest

from flowyd.cli.main import COMMANDS, parsed
from flowyd.config.keys import POOL, TABLES
from tests.system.doc_blocks import Reader, blocks_of, commands_of
from tests.test_architecture import ALLOWED

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/authors.md", "docs/operators.md", "README.md"])
def test_whoever_follows_the_page_gets_what_it_shows(page: str, tmp_path: Path) -> None:
    if page == "README.md":
        for name in ("activities", "workflows"):
            shutil.copytree(ROOT / name, tmp_path / name)
    reader = Reader(tmp_path)
    try:
        for block in blocks_of(ROOT / page):
            try:
                reader.follow(block)
            except AssertionError as error:
                raise AssertionError(f"{page}:{block.line}\n{error}") from error
    finally:
        reader.leave()


def texts_in_the_source() -> set[str]:
    """Every text in the package, with "…" for what is put in."""
    found = set()
    for path in (ROOT / "flowyd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_every_error_on_the_page_is_one_that_flowyd_knows() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    quoted = re.findall(r"\*\*`(.+?)`\*\*", page)

    known = texts_in_the_source()

    assert len(quoted) > 20
    assert [text for text in quoted if not any(_holds(one, text) for one in known)] == []


def _holds(known: str, quoted: str) -> bool:
    """Whether a text of the source says what the page quotes; a value may hold words of the page."""
    wanted = [part for part in quoted.split("…") if part.strip()]
    at = 0
    for part in wanted:
        at = known.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


@pytest.mark.parametrize("place", ["docs/configuration.md", "conf/flowyd.toml"])
@pytest.mark.parametrize("table", [*TABLES, "pool"])
def test_every_key_of_the_records_is_in_its_table(table: str, place: str) -> None:
    page = (ROOT / place).read_text()
    start = re.escape(f"[[{table}]]" if table == "pool" else f"[{table}]")
    section = re.search(rf"^(?:## )?{start}$(.*?)(?=^(?:## )?\[|\Z)", page, re.MULTILINE | re.DOTALL)
    named = re.compile(r"^\| (`.*?) \|" if place.endswith(".md") else r"^#?(\w+) =", re.MULTILINE)

    assert section is not None
    keys = {key for cell in named.findall(section[1]) for key in re.findall(r"\w+", cell)}
    assert {key.name for key in (POOL if table == "pool" else TABLES[table]).values()} <= keys


PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_block_is_one_that_flowyd_takes(page: Path) -> None:
    blocks = blocks_of(page)
    typed = [
        command.line for block in blocks if block.language == "console" for command in commands_of(block)
    ]
    typed += [line for block in blocks if block.language == "sh" for line in block.text.splitlines()]

    for line in typed:
        for words in re.findall(r"(?:^|[ (/])flowyd ([^#|&)>$]+)", line):
            parsed(shlex.split(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_text_is_there(page: Path) -> None:
    named = re.findall(r"`flowyd ([a-z-]+)", page.read_text())

    assert set(named) <= set(COMMANDS)


def test_the_architecture_page_has_the_arrows_that_the_tests_hold() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)`(?:, `([\w.]+)`)? \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    shown = {
        f"flowyd.{name}": {f"flowyd.{other}" for other in re.findall(r"`([\w.]+)`", others)}
        | {"flowyd.errors"}
        for first, second, others in rows
        for name in (first, second)
        if name and others != "all"
    }

    for package, others in shown.items():
        assert ALLOWED[package] | {"flowyd.errors"} == others, package
    assert {name for name in ALLOWED if name.count(".") == 1} - {"flowyd.cli", "flowyd.__main__"} == set(
        shown
    ) - {"flowyd.engine.rules"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [
        target.partition("#")
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text())
        if not target.startswith("http")
    ]

    places = [((page.parent / file).resolve() if file else page, anchor) for file, _, anchor in links]

    assert [place for place, _ in places if not place.exists()] == []
    assert [anchor for place, anchor in places if anchor and anchor not in _anchors(place)] == []


def _anchors(page: Path) -> set[str]:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
