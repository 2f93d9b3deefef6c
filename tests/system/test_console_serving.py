"""`flowyd console --serve`, started for real: who has the token gets the console, others get nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.contract.engine_process import EngineProcess

TOKEN = "t0" * 16


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path_factory.mktemp("engine")).start()
    yield engine
    assert engine.stop() == 0


def command(engine: EngineProcess, *words: str) -> list[str]:
    return [sys.executable, "-m", "flowyd", "--endpoint", engine.unix, "console", *words]


@pytest.fixture(scope="module")
def url(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL that was printed, of a server on a free port."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "token").write_text(f"{TOKEN}\n")
    process = subprocess.Popen(
        command(engine, "--serve", "127.0.0.1:0", "--token-file", str(folder / "token")),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(folder)},
    )
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    yield found.group()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def status_of(url: str, **headers: str) -> int:
    """The status that a request without any cookie gets; redirects are not followed."""

    async def ask() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status

    return asyncio.run(ask())


def address(url: str) -> str:
    return url.partition("/?")[0]


@pytest.mark.parametrize(
    "path", ["/", "/ws", "/static/js/textual.js", "/nothing", "/?token=", "/?token=wrong"]
)
def test_nothing_is_answered_without_the_token(url: str, path: str) -> None:
    assert status_of(address(url) + path) == 401


def test_a_wrong_cookie_is_refused(url: str) -> None:
    port = address(url).rpartition(":")[2]

    assert status_of(address(url) + "/", Cookie=f"flowyd-console-{port}=wrong") == 401


def test_the_token_is_exchanged_for_a_cookie_that_opens_the_page(url: str) -> None:
    async def visit() -> tuple[int, str, str, str]:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
            session.get(url) as answer,
        ):
            set_cookie = answer.history[0].headers["Set-Cookie"]
            return answer.status, str(answer.url), await answer.text(), set_cookie

    status, landed_at, page, cookie = asyncio.run(visit())

    assert status == 200
    assert TOKEN not in landed_at
    assert TOKEN not in page
    assert f"ws://{address(url).removeprefix('http://')}/ws" in page
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_websocket_of_another_page_is_refused_even_with_the_cookie(url: str) -> None:
    port = address(url).rpartition(":")[2]
    cookie = f"flowyd-console-{port}={TOKEN}"

    assert status_of(address(url) + "/ws", Cookie=cookie, Origin="http://127.0.0.1:1") == 403


def test_the_console_runs_in_the_websocket_and_leaving_it_ends_only_this_one(url: str) -> None:
    async def operate() -> str:
        seen = b""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await (await session.get(url)).read()
            async with session.ws_connect(f"{address(url)}/ws?width=100&height=30") as window:
                while b"Executions" not in seen:
                    message = await window.receive(timeout=60)
                    assert message.type is not aiohttp.WSMsgType.CLOSED, seen
                    seen += message.data if isinstance(message.data, bytes) else b""
                await window.send_json(["stdin", "q"])
                while not window.closed:
                    await window.receive(timeout=60)
        return seen.decode(errors="replace")

    assert "flowyd" in asyncio.run(operate())
    assert status_of(url) == 303


def refused(engine: EngineProcess, *words: str) -> str:
    done = subprocess.run(command(engine, *words), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("where", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"])
def test_an_address_that_others_reach_is_refused_unless_said_otherwise(
    engine: EngineProcess, where: str
) -> None:
    assert "--serve-everywhere" in refused(engine, "--serve", where)


@pytest.mark.parametrize("where", ["8080", "127.0.0.1:", "127.0.0.1:99999", ":8080"])
def test_what_is_no_address_is_refused(engine: EngineProcess, where: str) -> None:
    assert "HOST:PORT" in refused(engine, "--serve", where)


def test_a_token_that_can_be_guessed_is_refused(engine: EngineProcess, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret")
    file.chmod(stat.S_IRUSR)

    assert "16 or more" in refused(engine, "--serve", "127.0.0.1:0", "--token-file", str(file))
