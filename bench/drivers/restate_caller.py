"""Drives Restate through its HTTP ingress, with kept connections.

Many workflows are first sent, each acknowledged, and then attached to, so that all are under way at once.
"""

import http.client
import json
import sys
import time

from conversation import CALLERS, in_parallel, latencies_ms, payload_of, serve, timed

INGRESS, ADMIN, SERVICES, _NODE = map(int, sys.argv[1:5])
MODE = sys.argv[5]


class Http:
    """One kept connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method, path, body=None):
        headers = {"content-type": "application/json"} if body is not None else {}
        text = json.dumps(body) if body is not None else None
        self.connection.request(method, path, text, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{answer.status}: {content[:300]!r}")
        return json.loads(content) if content else None


class Caller:
    def __init__(self):
        self.http = None
        self.begun = []

    def ready(self):
        """Waits until the server is up, and registers the services."""
        if self.http is not None:
            return self.http
        deadline = time.monotonic() + 60
        while True:
            try:
                Http(ADMIN).ask("POST", "/deployments", {"uri": f"http://127.0.0.1:{SERVICES}"})
                self.http = Http(INGRESS)
                self.http.ask("POST", "/workflows/chain", {"n": 0, "payload": None, "mode": MODE})
                return self.http
            except (OSError, RuntimeError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def run(self, kind, n, payload):
        self.ready().ask("POST", f"/workflows/{kind}", {"n": n, "payload": payload, "mode": MODE})

    def send_all(self, n, request_of):
        """Sends n over several connections; their invocation ids."""
        self.ready()
        ids = [""] * n

        def send(http, i):
            request = {"mode": MODE, **request_of(i)}
            ids[i] = http.ask("POST", "/workflows/three/send", request)["invocationId"]

        in_parallel([lambda: Http(INGRESS)] * CALLERS, n, send)
        return ids

    def attach(self, invocation):
        return self.ready().ask("GET", f"/restate/invocation/{invocation}/attach")

    def many(self, n, payload):
        for invocation in self.send_all(n, lambda _: {"payload": payload}):
            self.attach(invocation)

    def begin(self, n, log):
        small = payload_of(100)
        return {"ids": self.send_all(n, lambda i: {"payload": small, "log": log, "name": f"w{i}"})}

    def completed(self, n, ids):
        for invocation in ids:
            self.attach(invocation)
        return {"count": n}


if __name__ == "__main__":
    caller = Caller()
    serve(
        {
            "one": lambda repeats, payload: {
                "latencies_ms": latencies_ms(lambda: caller.run("chain", 1, payload_of(payload)), repeats)
            },
            "chain": lambda n, payload: {"s": timed(caller.run, "chain", n, payload_of(payload))},
            "fan": lambda n, payload: {"s": timed(caller.run, "fan", n, payload_of(payload))},
            "many": lambda n, payload: {"s": timed(caller.many, n, payload_of(payload))},
            "begin": caller.begin,
            "completed": caller.completed,
        }
    )
