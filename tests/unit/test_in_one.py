"""Cases that share one test: each is tried, and a failure says which it was."""

from __future__ import annotations

import inspect

import pytest

from tests.in_one import in_one


def test_every_combination_is_tried_in_its_order() -> None:
    tried = []

    @in_one(number=[1, 2], word={"a": "first", "b": "second"})
    def case(number: int, word: str) -> None:
        tried.append((number, word))

    case()
    assert tried == [(1, "first"), (1, "second"), (2, "first"), (2, "second")]


def test_what_fails_says_in_which_case() -> None:
    @in_one(number=[1, 2], word={"a": "first", "b": "second"})
    def case(number: int, word: str) -> None:
        assert (number, word) != (2, "first")

    with pytest.raises(AssertionError) as caught:
        case()
    assert caught.value.__notes__ == ["in the case number=2, word='a'"]


def test_only_what_is_not_a_case_is_asked_of_fixtures() -> None:
    @in_one(number=[1])
    def case(number: int, tmp_path: str) -> None:
        assert (number, tmp_path) == (1, "here")

    assert list(inspect.signature(case).parameters) == ["tmp_path"]
    case(tmp_path="here")


def test_a_test_without_a_case_is_refused() -> None:
    with pytest.raises(AssertionError, match="a test without a case shows nothing"):
        in_one(number=[])
