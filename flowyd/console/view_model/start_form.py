"""The form that starts a workflow: a signature's fields, their texts as SWF's request, what is wrong in them.

Values are written as JSON; a text that is no JSON counts as a string where the annotation says `str` or
nothing. An empty field of a parameter with a default is left out, so that the default holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowyd.console.view_model.signatures import Parameter, Presence, Signature
from flowyd.errors import FlowydError
from flowyd.swf.limits import DATA_CHARACTERS, TAGS_PER_EXECUTION

CHILD_POLICIES = ("TERMINATE", "REQUEST_CANCEL", "ABANDON")


class FormError(FlowydError):
    """Raised when a form cannot be sent as it is; `problems` says for each field what is wrong."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a start may say besides its arguments; empty: the type's default."""

    workflow_id: str = ""
    task_list: str = ""
    workflow_duration: str = ""
    decision_duration: str = ""
    child_policy: str = ""
    tags: str = ""
    priority: str = ""


def hint(parameter: Parameter) -> str:
    """What stands in the empty field."""
    kind = parameter.annotation or "value"
    if parameter.presence is Presence.MANY:
        return "further values as a JSON list"
    if parameter.presence is Presence.NAMED:
        return "further names and values as a JSON object"
    return f"{kind} = {parameter.default}" if parameter.default else kind


def arguments(signature: Signature, texts: Mapping[str, str]) -> str:
    """The input `[[positional…], {keyword…}]` as JSON text.

    Raises:
        FormError: a required field is empty, or a value does not fit its annotation.
    """
    problems: dict[str, str] = {}
    positional: list[Any] = []
    named: dict[str, Any] = {}
    by_name = False
    for parameter in signature.parameters:
        text = texts.get(parameter.name, "").strip()
        if not text:
            if parameter.presence is Presence.REQUIRED:
                problems[parameter.name] = "is needed"
            # A gap among the positional values: those behind it go by name.
            by_name = by_name or parameter.presence is Presence.OPTIONAL
            continue
        try:
            value = _value(parameter, text)
        except ValueError as error:
            problems[parameter.name] = str(error)
            continue
        if parameter.presence is Presence.MANY:
            if by_name:
                problems[parameter.name] = "needs all parameters before it"
            positional += value
        elif parameter.presence is Presence.NAMED:
            named.update(value)
        elif parameter.keyword_only or by_name:
            named[parameter.name] = value
        else:
            positional.append(value)
    if problems:
        raise FormError(problems)
    return json.dumps([positional, named], ensure_ascii=False)


_PLAIN: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "list": list,
    "dict": dict,
}


def _value(parameter: Parameter, text: str) -> Any:
    """The value of a field's text; ValueError says what is allowed."""
    if parameter.presence in (Presence.MANY, Presence.NAMED):
        return _container(parameter, text)
    kinds = [part.strip() for part in parameter.annotation.split("|")]
    wanted = tuple(_PLAIN.get(kind.partition("[")[0].strip("\"'")) for kind in kinds)
    try:
        value = json.loads(text)
    except ValueError:
        value = {"True": True, "False": False, "None": None}.get(text, text)
    if wanted == (str,) and not (isinstance(value, str) and text.startswith('"')):
        return text
    if None in wanted or (value is None and "None" in kinds):
        return value
    for kind in wanted:
        bools = kind is bool or not isinstance(value, bool)
        if kind is not None and isinstance(value, kind) and bools:
            return value
    raise ValueError(f"{text!r} is no {parameter.annotation}; write it as JSON")


def _container(parameter: Parameter, text: str) -> Any:
    wanted: type = list if parameter.presence is Presence.MANY else dict
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is no JSON: {error}") from error
    if not isinstance(value, wanted):
        raise ValueError(f"must be a JSON {'list' if wanted is list else 'object'}")
    return value


def from_json(text: str) -> str:
    """The input of arguments typed as JSON: `[…]` positional, `{…}` by name, `[[…], {…}]` both, or none.

    Raises:
        FormError: it is no JSON.
    """
    if not text.strip():
        return "[[], {}]"
    try:
        value = json.loads(text)
    except ValueError as error:
        raise FormError({"arguments": f"is no JSON: {error}"}) from error
    if isinstance(value, dict):
        return json.dumps([[], value], ensure_ascii=False)
    if not isinstance(value, list):
        return json.dumps([[value], {}], ensure_ascii=False)
    if len(value) == 2 and isinstance(value[0], list) and isinstance(value[1], dict):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps([value, {}], ensure_ascii=False)


def texts_of(signature: Signature, given: str) -> dict[str, str]:
    """The fields' texts for an input of another execution: for "start again with changes"."""
    try:
        positional, named = json.loads(given)
        waiting, named = list(positional), dict(named)
    except (ValueError, TypeError):
        return {}
    texts: dict[str, str] = {}
    for parameter in signature.parameters:
        if parameter.presence is Presence.MANY:
            texts[parameter.name] = json.dumps(waiting, ensure_ascii=False) if waiting else ""
            waiting = []
        elif parameter.presence is Presence.NAMED:
            texts[parameter.name] = json.dumps(named, ensure_ascii=False) if named else ""
        elif waiting and not parameter.keyword_only:
            texts[parameter.name] = _text(waiting.pop(0))
        elif parameter.name in named:
            texts[parameter.name] = _text(named.pop(parameter.name))
    return texts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def request(
    *,
    domain: str,
    name: str,
    version: str,
    given: str,
    options: Options,
    free_id: str,
    most: int | None = DATA_CHARACTERS,
) -> dict[str, Any]:
    """SWF's StartWorkflowExecution.

    `free_id` is the workflow id where none was written; `most` is how many characters an input may have
    (None: any number, as long ones are kept elsewhere).

    Raises:
        FormError: an option is not what SWF takes.
    """
    problems: dict[str, str] = {}
    tags = options.tags.replace(",", " ").split()
    if len(tags) > TAGS_PER_EXECUTION:
        problems["tags"] = f"at most {TAGS_PER_EXECUTION}, blanks between"
    if most is not None and len(given) > most:
        problems["arguments"] = f"{len(given):,} characters; SWF takes {most:,}"
    for label, text in (("workflow_duration", options.workflow_duration), ("priority", options.priority)):
        if text and not text.lstrip("-" if label == "priority" else "").isdigit():
            problems[label] = "must be a whole number"
    if options.decision_duration and not (
        options.decision_duration.isdigit() or options.decision_duration == "NONE"
    ):
        problems["decision_duration"] = "must be whole seconds or NONE"
    if problems:
        raise FormError(problems)
    members: dict[str, Any] = {
        "domain": domain,
        "workflowId": options.workflow_id or free_id,
        "workflowType": {"name": name, "version": version},
        "input": given,
        "taskList": {"name": options.task_list} if options.task_list else None,
        "executionStartToCloseTimeout": options.workflow_duration,
        "taskStartToCloseTimeout": options.decision_duration,
        "childPolicy": options.child_policy,
        "tagList": tags,
        "taskPriority": options.priority,
    }
    return {name: value for name, value in members.items() if value}
