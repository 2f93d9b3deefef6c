"""Log records of replayed code are dropped: each line of a workflow speaks once."""

from __future__ import annotations

import logging

from flowyd.decider.replay import current_run


class ReplayFilter(logging.Filter):
    """Add it to a handler of the process that decides."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # logging's signature
        """False for what workflow code says where it has been in an earlier decision."""
        run = current_run.get()
        return run is None or not run.replaying
