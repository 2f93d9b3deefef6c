"""flowy's import paths lead to the same things as `from flowyd import …`."""

from __future__ import annotations

from importlib import import_module

import pytest

import flowyd
from flowyd.worker.scripts import WorkflowStarter

PATHS = (
    "flowyd.exception",
    "flowyd.result",
    "flowyd.task",
    "flowyd.swf.boilerplate",
    "flowyd.swf.scanner",
    "flowyd.swf.task",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_flowy_has_the_same_names(path: str) -> None:
    module = import_module(path)

    assert {name: getattr(module, name) for name in module.__all__} == {
        name: getattr(flowyd, name) for name in module.__all__
    }


def test_the_starter_has_its_own_path() -> None:
    assert import_module("flowyd.swf.starter").WorkflowStarter is WorkflowStarter
