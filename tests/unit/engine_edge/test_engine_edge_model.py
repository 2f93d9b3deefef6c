"""The table of requests against botocore's published service model: every member and constraint."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest

from flowyd.engine.request_shapes import (
    Choice,
    Flag,
    ListOf,
    Moment,
    NumberText,
    Shape,
    Structure,
    Text,
    Whole,
)
from flowyd.engine.request_table import OPERATIONS
from flowyd.swf.actions import ACTIONS, DECIDE_AFTER, VOIDS

MODEL = json.loads(
    gzip.decompress((Path(botocore.__file__).parent / "data/swf/2012-01-25/service-2.json.gz").read_bytes())
)
SHAPES = MODEL["shapes"]

#: What the table says beyond the model or against it, and why. Shape of the model → reason.
NAME_RULE = "API Reference: no ':', '/', '|', control characters, 'arn', white space at the ends"
ID_RULE = "the same, but ':' and '/' are accepted, as recordings of the service show"
SECONDS = "API Reference, DurationInSeconds: digits or NONE, at most a year; '' counts as not given"
DIFFERENCES = {
    "DomainName": NAME_RULE,
    "Name": NAME_RULE,
    "Version": NAME_RULE,
    "VersionOptional": NAME_RULE + "; '' counts as not given",
    "WorkflowId": ID_RULE,
    "ActivityId": ID_RULE,
    "TimerId": ID_RULE,
    "SignalName": ID_RULE,
    "DurationInSeconds": SECONDS,
    "DurationInSecondsOptional": SECONDS,
    "DurationInDays": "API Reference, RegisterDomain: 0 to 90, or NONE",
    "TaskPriority": "API Reference: a Java int as text",
    "WorkflowRunIdOptional": "'' counts as not given",
    "PageToken": "'' counts as not given",
    "DecisionType": "listed in the order that the service was seen to use",
    "TagList": "null among the tags is accepted, as recorded",
}
#: Members that the model has not: said between flowyd's own ends.
OURS = {DECIDE_AFTER}


def members_of(model_name: str, shape: Shape, path: str) -> Iterator[tuple[str, str, Shape]]:
    """Every place below a shape: path, the model's shape there, ours."""
    yield path, model_name, shape
    model = SHAPES[model_name]
    if model["type"] == "structure":
        assert isinstance(shape, Structure), path
        ours = {name.rstrip("*"): inner for name, inner in shape.members.items()}
        assert set(ours) - OURS == set(model["members"]), path
        for name, member in model["members"].items():
            yield from members_of(member["shape"], ours[name], f"{path}.{name}")
    elif model["type"] == "list":
        assert isinstance(shape, ListOf), path
        yield from members_of(model["member"]["shape"], shape.item, f"{path}[]")


PLACES = [
    place
    for action, operation in MODEL["operations"].items()
    for place in members_of(operation["input"]["shape"], OPERATIONS[action], action)
]


def constraints(shape: Shape) -> dict[str, Any]:
    """Our shape in the model's words."""
    match shape:
        case NumberText():
            return constraints(shape.text)
        case Text():
            found: dict[str, Any] = {"type": "string", "min": shape.shortest, "max": shape.longest}
        case Whole():
            found = {"type": "integer", "min": shape.lowest, "max": shape.highest}
        case Choice():
            found = {"type": "string", "enum": sorted(shape.values)}
        case Moment():
            found = {"type": "timestamp"}
        case Flag():
            found = {"type": "boolean"}
        case ListOf():
            found = {"type": "list", "max": shape.longest}
        case Structure():
            found = {
                "type": "structure",
                "required": sorted(name.rstrip("*") for name in shape.members if name.endswith("*")),
            }
        case _:
            raise AssertionError(shape)
    return {name: value for name, value in found.items() if value or (value == 0 and name == "min")}


def model_constraints(name: str) -> dict[str, Any]:
    model = SHAPES[name]
    found = {key: model[key] for key in ("type", "min", "max") if key in model}
    if "enum" in model:
        found["enum"] = sorted(model["enum"])
    elif model["type"] == "string":
        found.setdefault("min", 0)
    if model.get("required"):
        found["required"] = sorted(model["required"])
    return found


def says_more(shape: Shape) -> bool:
    """Whether our shape has rules that the model cannot express."""
    match shape:
        case NumberText():
            return True
        case Text():
            return shape.pattern is not None or shape.blank_is_absent
        case ListOf():
            return shape.null_items
        case _:
            return False


def test_every_operation_is_in_the_table() -> None:
    assert set(OPERATIONS) == set(MODEL["operations"]) == ACTIONS


def test_operations_without_output_are_the_voids() -> None:
    assert {name for name, operation in MODEL["operations"].items() if "output" not in operation} == VOIDS


@pytest.mark.parametrize(("path", "name", "shape"), PLACES, ids=[place[0] for place in PLACES])
def test_constraints_are_those_of_the_model(path: str, name: str, shape: Shape) -> None:
    assert constraints(shape) == model_constraints(name), path


def test_rules_beyond_the_model_are_listed_with_their_reasons() -> None:
    beyond = {name for _, name, shape in PLACES if says_more(shape)} | {"DecisionType"}

    assert beyond == set(DIFFERENCES)


def test_sets_are_listed_in_the_order_of_the_model() -> None:
    differing = {
        name
        for _, name, shape in PLACES
        if isinstance(shape, Choice) and list(shape.values) != SHAPES[name]["enum"]
    }

    assert differing == {"DecisionType"}
