"""A server before an engine that throttles as Amazon SWF does, while it is told to."""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ThrottlingProxy(ThreadingHTTPServer):
    """Passes requests on to the engine, or has none of them while it throttles."""

    daemon_threads = True

    def __init__(self, engine_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Throttler)
        self.engine_port = engine_port
        self.throttles = False
        self.refused = 0


class _Throttler(BaseHTTPRequestHandler):
    server: ThrottlingProxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.throttles:
            self.server.refused += 1
            self._answer(400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}')
            return
        engine = http.client.HTTPConnection("127.0.0.1", self.server.engine_port, timeout=90)
        engine.request("POST", self.path, body, dict(self.headers))
        response = engine.getresponse()
        self._answer(response.status, response.read())
        engine.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: the log of the test is not for requests."""
