"""Every error flowyd raises on purpose, in families by who must act.

ConfigError: the operator. ProgramError: the author of an activity or workflow. SwfFault (in
`flowyd.swf.faults`): the caller of the SWF API. StoreError: whoever owns the disk. ProtocolError: the
peer at the other end of a socket. Messages say what, with which value, and what to do; attributes hold
the values, so nobody parses a message.
"""

from __future__ import annotations

from collections.abc import Sequence


class FlowydError(Exception):
    """Raised when flowyd cannot do what was asked; the root of all families."""


class ConfigError(FlowydError):
    """Raised when the configuration is wrong; holds every problem found, not only the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        #: One complete message per problem: file, line or key, value, and what is allowed.
        self.problems = tuple(problems)


class ProgramError(FlowydError):
    """Raised when an author's activity or workflow module does something it must not."""


class StoreError(FlowydError):
    """Raised when the engine's database, or a store of payloads, cannot be read or written."""


class ProtocolError(FlowydError):
    """Raised when a peer answers what its protocol does not allow."""


class UnreachableError(ProtocolError):
    """Raised when nobody answers at an endpoint, or the connection broke before the answer."""
