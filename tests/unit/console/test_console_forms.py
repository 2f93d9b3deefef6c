"""Signatures are read from sources; forms become SWF's requests; actions become steps with equal commands."""

from __future__ import annotations

import pytest

from flowyd.console.view_model import actions, execution_actions, start_form
from flowyd.console.view_model.signatures import Presence, Signature, signatures
from flowyd.console.view_model.start_form import FormError, Options
from tests.unit.console.console_script import execution

SOURCE = '''
from flowyd import Workflow, workflow

class Shared(Workflow):
    def run(self, url: str, size: int = 256, *more, deep: bool = False, **rest):
        """Makes it small."""

@workflow("small", 1, "list")
class Small(Shared):
    pass

@workflow(name="async", version="2", task_list="list")
class Other(Workflow):
    """Of the class."""
    async def run(self):
        pass

@workflow(NAME, 1, "list")
class Computed(Workflow):
    def run(self):
        pass
'''


@pytest.fixture
def signature() -> Signature:
    return signatures(SOURCE, file="small.py")[0]


def test_workflows_are_found_with_literal_name_and_version_only() -> None:
    found = signatures(SOURCE, file="small.py")

    assert [(s.name, s.version, s.doc) for s in found] == [
        ("small", "1", "Makes it small."),
        ("async", "2", "Of the class."),
    ]


def test_parameters_keep_order_annotation_and_default(signature: Signature) -> None:
    assert [(p.name, p.presence, p.annotation, p.default) for p in signature.parameters] == [
        ("url", Presence.REQUIRED, "str", ""),
        ("size", Presence.OPTIONAL, "int", "256"),
        ("more", Presence.MANY, "", ""),
        ("deep", Presence.OPTIONAL, "bool", "False"),
        ("rest", Presence.NAMED, "", ""),
    ]


def test_a_source_that_does_not_parse_has_no_workflows() -> None:
    assert signatures("def (:", file="x.py") == ()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"url": "a"}, '[["a"], {}]'),
        ({"url": "12"}, '[["12"], {}]'),
        ({"url": '"a"'}, '[["a"], {}]'),
        ({"url": "a", "size": "3"}, '[["a", 3], {}]'),
        ({"url": "a", "size": "3", "more": "[1, 2]"}, '[["a", 3, 1, 2], {}]'),
        ({"url": "a", "deep": "true"}, '[["a"], {"deep": true}]'),
        ({"url": "a", "deep": "True", "rest": '{"x": 1}'}, '[["a"], {"deep": true, "x": 1}]'),
    ],
)
def test_fields_become_the_input_of_run(signature: Signature, texts: dict[str, str], expected: str) -> None:
    assert start_form.arguments(signature, texts) == expected


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        ({}, "url"),
        ({"url": "a", "size": "big"}, "size"),
        ({"url": "a", "size": "true"}, "size"),
        ({"url": "a", "deep": "1"}, "deep"),
        ({"url": "a", "more": "{}"}, "more"),
        ({"url": "a", "more": "[1]"}, "more"),
        ({"url": "a", "rest": "x"}, "rest"),
    ],
)
def test_a_field_that_does_not_fit_is_named(signature: Signature, texts: dict[str, str], field: str) -> None:
    with pytest.raises(FormError) as refused:
        start_form.arguments(signature, texts)

    assert list(refused.value.problems) == [field]


def test_an_input_fills_the_fields_it_came_from(signature: Signature) -> None:
    given = '[["a", 3, 1], {"deep": true, "x": 1}]'

    texts = start_form.texts_of(signature, given)

    assert start_form.arguments(signature, texts) == given


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[[], {}]"),
        ("[1, 2]", "[[1, 2], {}]"),
        ('{"a": 1}', '[[], {"a": 1}]'),
        ('[[1], {"a": 2}]', '[[1], {"a": 2}]'),
        ('"x"', '[["x"], {}]'),
    ],
)
def test_json_arguments_become_the_input_of_run(text: str, expected: str) -> None:
    assert start_form.from_json(text) == expected


def test_empty_options_are_left_to_the_type() -> None:
    request = start_form.request(
        domain="d", name="w", version="1", given="[[], {}]", options=Options(), free_id="w-1"
    )

    assert request == {
        "domain": "d",
        "workflowId": "w-1",
        "workflowType": {"name": "w", "version": "1"},
        "input": "[[], {}]",
    }


def test_wrong_options_are_all_named() -> None:
    options = Options(tags="a b c d e f", workflow_duration="long", priority="x", decision_duration="?")

    with pytest.raises(FormError) as refused:
        start_form.request(domain="d", name="w", version="1", given="", options=options, free_id="w-1")

    assert set(refused.value.problems) == {"tags", "workflow_duration", "priority", "decision_duration"}


def test_a_bulk_action_wants_the_number_of_its_targets_typed_in() -> None:
    action = execution_actions.terminate("d", [execution("a"), execution("b"), execution("c")])

    assert actions.problems(action, {"reason": "", "count": "2"}) == {"count": "type 3 to confirm"}
    assert actions.problems(action, {"reason": "", "count": "3"}) == {}


def test_one_target_is_confirmed_by_the_button_alone() -> None:
    assert actions.problems(execution_actions.terminate("d", [execution("a")]), {}) == {}


def test_a_signal_needs_its_name() -> None:
    assert actions.problems(execution_actions.signal("d", [execution("a")]), {"name": ""}) == {
        "name": "is needed"
    }


def test_each_target_gets_its_own_request_and_command() -> None:
    action = execution_actions.terminate("d", [execution("a"), execution("b c")])

    steps = action.steps({"reason": "too old", "child_policy": "ABANDON", "details": ""})

    assert [step.request["workflowId"] for step in steps] == ["a", "b c"]
    assert steps[0].request["childPolicy"] == "ABANDON"
    assert steps[1].command == (
        "flowyd terminate 'b c' --run-id 'run of b c' --reason 'too old' --child-policy ABANDON"
    )


def test_children_go_as_the_execution_was_started_unless_chosen() -> None:
    (step,) = execution_actions.terminate("d", [execution("a")]).steps({"child_policy": "as started with"})

    assert "childPolicy" not in step.request
