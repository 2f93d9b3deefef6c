"""The console in a browser: textual-serve behind a token.

Whoever has the token has the console with the rights of the user who started it, so nothing is answered
without: not the page, not its files, not the websocket. The first request carries the token in its query and
is given a cookie instead, so that the token leaves the address bar; the cookie is for this port only, is no
business of scripts, and is sent by no other site. A websocket must also come from our own page.

Each browser window is a console process of its own; closing the window ends it, and stops nothing else.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import shlex
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from textual_serve.server import Server

from flowyd.errors import ConfigError

#: Bytes of chance in a generated token; and the fewest characters of a given one.
TOKEN_BYTES = 24
SHORTEST_TOKEN = 16
#: How long open windows are waited for at the end, seconds.
SHUTDOWN_S = 2.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def written(self) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """The address of `HOST:PORT`; port 0 takes a free one.

    Raises:
        ConfigError: it is none.
    """
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ConfigError([f"--serve {text!r}: must be HOST:PORT such as 127.0.0.1:8080"])
    return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))


def token_in(file: Path) -> str:
    """The token of a file.

    Raises:
        ConfigError: the file cannot be read, or what it holds can be guessed.
    """
    try:
        token = file.read_text().strip()
    except (OSError, ValueError) as error:
        raise ConfigError([f"--token-file {file}: cannot be read: {error}"]) from error
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isalnum()):
        raise ConfigError(
            [
                f"--token-file {file}: must hold {SHORTEST_TOKEN} or more letters and digits, such as "
                "those of `openssl rand -hex 24`"
            ]
        )
    return token


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_hex(TOKEN_BYTES)


def serve(command: Sequence[str], *, at: Address, token: str, announce: Callable[[str], None]) -> None:
    """Serves consoles until SIGINT or SIGTERM; `announce` is given the URL once it is listened at.

    Raises:
        ConfigError: nothing can listen at the address.
    """
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((at.host, at.port))
            listening.listen()
        except OSError as error:
            raise ConfigError([f"--serve {at.written}: cannot listen there: {error}"]) from error
        bound = Address(host=at.host, port=listening.getsockname()[1])
        announce(f"http://{bound.written}/?token={token}")
        server = _GuardedServer(command, at=bound, token=token)
        # The access log would hold the token.
        web.run_app(
            server.application(), sock=listening, print=None, access_log=None, shutdown_timeout=SHUTDOWN_S
        )


class _GuardedServer(Server):
    """textual-serve's server, which answers only who has the token."""

    def __init__(self, command: Sequence[str], *, at: Address, token: str) -> None:
        # A shell runs it. The browser has all colours, whatever the terminal has that we were started in.
        line = f"COLORTERM=truecolor exec {shlex.join(command)}"
        super().__init__(line, host=at.host, port=at.port, title="flowyd")
        self._token = token
        self._cookie = f"flowyd-console-{at.port}"

    async def application(self) -> web.Application:
        """textual-serve's application behind the guard."""
        application = await self._make_app()
        application.middlewares.append(self._guard)
        return application

    async def on_startup(self, app: web.Application) -> None:
        """Says nothing: the URL has been announced."""

    async def handle_index(self, request: web.Request) -> Any:
        """The page; its links lead to where the browser came, which a tunnel may have moved."""
        self.public_url = f"{request.scheme}://{request.host}"
        return await super().handle_index(request)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._has_token(request.query.get("token", "")):
            # Here by the URL that was announced: on with a cookie, without the token in sight.
            answer: web.StreamResponse = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict", path="/")
            return _sealed(request, answer)
        if not self._has_token(request.cookies.get(self._cookie, "")):
            text = "Open the console by the URL that `flowyd console --serve` printed; it holds the token.\n"
            return _sealed(request, web.Response(status=401, text=text))
        if not _is_of_our_page(request):
            return _sealed(request, web.Response(status=403, text="This page is not the console's.\n"))
        answer = await handler(request)
        return answer if answer.prepared else _sealed(request, answer)

    def _has_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token.encode())


def _is_of_our_page(request: web.Request) -> bool:
    """Browsers name the page that opens a websocket; other ports of this host count as the same site."""
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def _sealed(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """With headers that keep the page among us: no frames, no referrer, nothing from elsewhere, no cache."""
    answer.headers["Content-Security-Policy"] = (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws://{request.host} "
        f"wss://{request.host}; frame-ancestors 'none'"
    )
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "no-store"
    return answer
