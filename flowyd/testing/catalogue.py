"""The types a test has: what modules, classes and functions it names, by name and version."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from flowyd.errors import ProgramError
from flowyd.sdk.registry import (
    ActivityRegistration,
    Registration,
    WorkflowRegistration,
    activities_in,
    registration_of,
    registrations_of,
    workflows_in,
)


class Catalogue:
    """Registrations by (name, version)."""

    def __init__(self, sources: Iterable[Any]) -> None:
        """`sources`: modules, or decorated classes and functions.

        Raises:
            ProgramError: one of them is neither.
        """
        self.activities: dict[tuple[str, str], ActivityRegistration] = {}
        self.workflows: dict[tuple[str, str], WorkflowRegistration] = {}
        for source in sources:
            for found in _registrations(source):
                self._add(found)

    def _add(self, found: Registration) -> None:
        if isinstance(found, ActivityRegistration):
            self.activities[found.name, found.version] = found
        else:
            self.workflows[found.name, found.version] = found

    def activity(self, name: str, version: str) -> ActivityRegistration:
        """The activity type.

        Raises:
            ProgramError: the test named none.
        """
        try:
            return self.activities[name, version]
        except KeyError:
            raise ProgramError(
                f"this test has no activity {name} {version}; name its module or class"
            ) from None

    def workflow(self, name: str, version: str) -> WorkflowRegistration:
        """The workflow type.

        Raises:
            ProgramError: the test named none.
        """
        try:
            return self.workflows[name, version]
        except KeyError:
            raise ProgramError(
                f"this test has no workflow {name} {version}; name its module or class"
            ) from None


def _registrations(source: Any) -> tuple[Registration, ...]:
    if isinstance(source, ModuleType):
        return (*activities_in(source), *workflows_in(source))
    registration_of(source)
    return registrations_of(source)


def workflow_of(source: Any) -> WorkflowRegistration:
    """The registration of a workflow class (the topmost decorator), or the registration itself.

    Raises:
        ProgramError: it is none.
    """
    found = source if isinstance(source, WorkflowRegistration) else registration_of(source)
    if not isinstance(found, WorkflowRegistration):
        raise ProgramError(f"{source!r} is an activity, not a workflow")
    return found
