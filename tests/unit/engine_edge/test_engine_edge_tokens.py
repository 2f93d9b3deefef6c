"""Task and page tokens: what is read back, and that nothing else can be read."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.engine.tokens import TokenCodec
from flowyd.swf.faults import ValidationException
from flowyd.swf.limits import PAGE_TOKEN_S

CODEC = TokenCodec(b"s" * 32)
RUN_ID = "22" + base64.b64encode(bytes(range(32))).decode()


def test_a_task_token_says_what_it_was_made_of() -> None:
    token = CODEC.read_task_token(CODEC.task_token("decision", 7, RUN_ID, 2, 3))

    assert (token.kind, token.execution_id, token.run_id) == ("decision", 7, RUN_ID)
    assert (token.scheduled_event_id, token.started_event_id) == (2, 3)


def test_two_tokens_of_one_task_differ() -> None:
    assert CODEC.task_token("activity", 7, RUN_ID, 2, 3) != CODEC.task_token("activity", 7, RUN_ID, 2, 3)


def test_a_task_token_fits_the_services_limit() -> None:
    assert len(CODEC.task_token("activity", 2**63, RUN_ID, 25_000, 25_000)) <= 1024


def test_a_token_of_another_secret_is_none() -> None:
    with pytest.raises(ValidationException, match="Invalid token"):
        CODEC.read_task_token(TokenCodec(b"t" * 32).task_token("activity", 7, RUN_ID, 2, 3))


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_an_altered_token_is_none(place: int, bit: int) -> None:
    sealed = bytearray(base64.b64decode(CODEC.task_token("activity", 7, RUN_ID, 2, 3)))
    sealed[place % len(sealed)] ^= 1 << bit

    with pytest.raises(ValidationException, match="Invalid token"):
        CODEC.read_task_token(base64.b64encode(sealed).decode())


@given(st.text(max_size=100))
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(ValidationException, match="Invalid token"):
        CODEC.read_task_token(text)


def test_a_page_token_gives_its_position_for_its_query() -> None:
    assert CODEC.read_page_token(CODEC.page_token("query", "position", 100.0), "query", 101.0) == "position"


def test_a_page_token_is_none_for_another_query() -> None:
    with pytest.raises(ValidationException, match="Invalid token"):
        CODEC.read_page_token(CODEC.page_token("query", "position", 100.0), "other", 101.0)


def test_a_page_token_lives_for_a_day() -> None:
    token = CODEC.page_token("query", "position", 100.0)

    with pytest.raises(ValidationException, match="lifetime"):
        CODEC.read_page_token(token, "query", 101.0 + PAGE_TOKEN_S)


def test_a_page_token_is_no_task_token() -> None:
    with pytest.raises(ValidationException, match="Invalid token"):
        CODEC.read_task_token(CODEC.page_token("", "x" * 100, 100.0))
