"""A driver's side of the conversation with the runner; standard library only, any Python 3.

See bench/system.py for the operations. Drivers run in environments of their own, so this file is imported
by its plain name from the drivers' folder.
"""

import json
import os
import sys
import threading
import time
import traceback

#: Connections over which a caller starts many workflows; each start waits for its acknowledgement.
CALLERS = 8

#: 100 bytes of JSON, as a user's small argument would be.
SMALL = {"order": 4711, "customer": "c-000123", "lines": [1, 2, 3], "note": "x" * 40}


def payload_of(size_bytes):
    """A JSON object of about so many bytes."""
    if size_bytes <= 100:
        return SMALL
    return {**SMALL, "more": "y" * (size_bytes - 110)}


def is_open(log):
    """Whether activities may run: those of S7 wait until all workflows are acknowledged."""
    return not log or os.path.exists(log + ".open")


def note(log, text):
    """Waits for the gate, then appends a line to the file of activities that ran; atomic."""
    while not is_open(log):
        time.sleep(0.005)
    if log:
        fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, (text + "\n").encode())
        os.close(fd)


def timed(function, *arguments):
    """Seconds that the call took."""
    before = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - before


def latencies_ms(function, repeats):
    """Milliseconds of each of so many calls."""
    return [timed(function) * 1000 for _ in range(repeats)]


def in_parallel(makers, n, do):
    """do(client, i) for each i below n, by one thread for each of the makers' clients."""
    failures = []

    def run(maker, mine):
        try:
            client = maker()
            for i in mine:
                do(client, i)
        except Exception as error:
            failures.append(error)

    threads = [
        threading.Thread(target=run, args=(maker, range(k, n, len(makers)))) for k, maker in enumerate(makers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def serve(operations):
    """Answers requests until stdin ends. What operations print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = operations[request.pop("do")](**request) or {}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
