"""What every test may rely on."""

import signal

# A shell that starts the tests in the background has them ignore SIGINT, and all processes that they start
# would, too: tests that press Ctrl-C need the usual answer to it.
signal.signal(signal.SIGINT, signal.default_int_handler)
