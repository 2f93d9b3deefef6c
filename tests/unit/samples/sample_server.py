"""A web server on loopback that behaves as each test says."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What the server answers at one path."""

    body: Iterable[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class WebServer(ThreadingHTTPServer):
    """Answers from `pages`, by path; `closing` is set when the test is over."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.pages: dict[str, Page] = {}
        self.closing = threading.Event()

    def put(self, path: str, body: bytes | Iterable[bytes], status: int = 200, **headers: str) -> str:
        """Serve this at the path; the answer is its URL."""
        parts = [body] if isinstance(body, bytes) else body
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Page(body=parts, status=status, headers=names)
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def dripping(self, byte: bytes, pause_s: float) -> Iterator[bytes]:
        """That byte again and again, until the test is over."""
        while not self.closing.wait(pause_s):
            yield byte

    def silent(self) -> Iterator[bytes]:
        """Nothing until the test is over."""
        self.closing.wait()
        yield b""


class _Answers(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path, Page(body=[b"no such page"], status=404))
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for part in page.body:
                self.wfile.write(part)
                self.wfile.flush()
        except OSError:
            return  # the activity hung up, which is what the test is about

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_web_server() -> Iterator[WebServer]:
    """A server that answers while the block runs."""
    server = WebServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
