"""Exit codes of the command line; 69 and 78 are sysexits.h's UNAVAILABLE and CONFIG."""

from __future__ import annotations

#: It was done.
DONE = 0
#: It was refused, or it failed.
FAILED = 1
#: The command line itself is wrong; argparse uses the same.
USAGE = 2
#: Nobody answers: the daemon or the SWF service cannot be reached.
UNREACHABLE = 69
#: The configuration is wrong.
CONFIG = 78
#: Ended by Ctrl-C, as shells have it: 128 and the signal's number.
INTERRUPTED = 130
