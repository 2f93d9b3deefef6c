"""The faults of Amazon SWF under the service's own names, and their wire form.

A fault is an answer: HTTP 400 (500 for InternalFailure) with
`{"__type": "<namespace>#<Name>", "message": …}`. The engine raises these classes, the clients raise
them again on the caller's side.
Source: the published service model (API version 2012-01-25) and recorded answers.
"""

from __future__ import annotations

from typing import ClassVar

from flowyd.errors import FlowydError

_SWF = "com.amazonaws.swf.base.model"
_CORAL = "com.amazon.coral.service"


class SwfFault(FlowydError):
    """Raised when the SWF service refuses a request; the subclass bears the service's name for it."""

    namespace: ClassVar[str] = _SWF
    status: ClassVar[int] = 400

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    @property
    def name(self) -> str:
        """The bare fault name, such as UnknownResourceFault."""
        return type(self).__name__

    @property
    def wire_type(self) -> str:
        """The `__type` member of the answer."""
        return f"{self.namespace}#{self.name}"

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


class UnknownResourceFault(SwfFault):
    """Raised when the named domain, type, execution or task does not exist or is no longer open."""


class TypeAlreadyExistsFault(SwfFault):
    """Raised when a workflow or activity type of that name and version is registered already."""


class TypeDeprecatedFault(SwfFault):
    """Raised when the type is deprecated."""


class TypeNotDeprecatedFault(SwfFault):
    """Raised when a type that is still registered should be deleted."""


class DomainAlreadyExistsFault(SwfFault):
    """Raised when a domain of that name exists already, deprecated or not."""


class DomainDeprecatedFault(SwfFault):
    """Raised when the domain is deprecated."""


class WorkflowExecutionAlreadyStartedFault(SwfFault):
    """Raised when an open execution with the workflow id exists."""


class DefaultUndefinedFault(SwfFault):
    """Raised when a start names no value for a member and its type has no default; the message names it."""


class LimitExceededFault(SwfFault):
    """Raised when a quota of the service is reached."""


class OperationNotPermittedFault(SwfFault):
    """Raised when the caller may not do this."""


class TooManyTagsFault(SwfFault):
    """Raised when a domain would have more than 50 tags."""


class ValidationException(SwfFault):
    """Raised when a member of the request breaks a constraint; the message lists every violation."""

    namespace = "com.amazon.coral.validate"


class ThrottlingException(SwfFault):
    """Raised when requests come too fast."""

    namespace = "com.amazon.coral.availability"


class SerializationException(SwfFault):
    """Raised when the body is not JSON, or a member has the wrong JSON type."""

    namespace = _CORAL


class UnknownOperationException(SwfFault):
    """Raised when the target names no operation of the service."""

    namespace = _CORAL


class MissingAuthenticationTokenException(SwfFault):
    """Raised when a request that must be signed is not."""

    namespace = _CORAL


class IncompleteSignatureException(SwfFault):
    """Raised when the Authorization header lacks a part or cannot be read."""

    namespace = _CORAL


class UnrecognizedClientException(SwfFault):
    """Raised when the access key is unknown."""

    namespace = _CORAL


class InvalidSignatureException(SwfFault):
    """Raised when the signature does not match, has expired, or was used before."""

    namespace = _CORAL


class AccessDeniedException(SwfFault):
    """Raised when the caller's key or user may not use this operation."""

    namespace = _CORAL


class InternalFailure(SwfFault):
    """Raised when the service itself failed; the request had no effect that was acknowledged."""

    namespace = _CORAL
    status = 500


def _all_faults(root: type[SwfFault]) -> dict[str, type[SwfFault]]:
    return {fault.__name__: fault for fault in root.__subclasses__()}


#: Every fault by its bare name.
FAULTS: dict[str, type[SwfFault]] = _all_faults(SwfFault)


class UnlistedFault(SwfFault):
    """Raised when the service answers with a fault that this table does not know."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


def fault_from_wire(wire_type: str, message: str) -> SwfFault:
    """The fault for an answer's `__type` (with or without namespace) and message."""
    name = wire_type.rpartition("#")[2]
    known = FAULTS.get(name)
    return known(message) if known else UnlistedFault(name, message)
