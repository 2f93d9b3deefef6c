"""Amazon SWF's words (names, limits, durations, faults) and the two ways to speak it.

`actions`, `durations`, `faults` and `limits` are words and hold no I/O. `client` states what a client
does; `lean` speaks to a unix socket or loopback endpoint, `boto` to everything else.
"""
