# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import inspect
import re

import pytest

from airflow_provider_pixverse import exceptions
from airflow_provider_pixverse.exceptions import (
    PixverseError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseTimeout,
    PixverseUnavailableError,
)

ALL = {name: kind for name, kind in inspect.getmembers(exceptions, inspect.isclass)}
EVERY_CLASS = pytest.mark.parametrize("kind", ALL.values(), ids=ALL.keys())


def drawn_tree() -> dict[str, str]:
    """Read the parent of each class from the tree drawn on top of the module."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (exceptions.__doc__ or "").splitlines():
        if found := re.match(r"^    ([│├└─ ]*)(Pixverse\w+)", line):
            depth, name = len(found[1]), found[2]
            above = [(d, n) for d, n in above if d < depth]
            if above:
                parents[name] = above[-1][1]
            above.append((depth, name))
    return parents


def test_the_tree_drawn_on_top_is_the_tree() -> None:
    real = {
        name: next(base.__name__ for base in kind.__bases__ if issubclass(base, PixverseError))
        for name, kind in ALL.items()
        if kind is not PixverseError
    }
    assert drawn_tree() == real


def test_a_class_says_what_to_do_next_in_the_drawing() -> None:
    drawing = (exceptions.__doc__ or "").splitlines()
    for name in ALL.keys() - {"PixverseError"}:
        (line,) = [line for line in drawing if re.search(rf"─ {name}\b", line)]
        assert len(line.split(name)[1].split()) > 3


@EVERY_CLASS
def test_nothing_derives_from_airflow(kind: type[PixverseError]) -> None:
    assert {base.__module__.split(".")[0] for base in kind.__mro__} == {
        "airflow_provider_pixverse",
        "builtins",
    }


def test_familiar_exceptions_catch_them_too() -> None:
    assert issubclass(PixverseRequestError, ValueError)
    assert issubclass(PixverseTimeout, TimeoutError)
    assert issubclass(PixverseNotSentError, PixverseUnavailableError)


@EVERY_CLASS
def test_the_id_is_named_once(kind: type[PixverseError]) -> None:
    assert str(kind("It failed", generation_id="gen-1")) == "It failed [generation gen-1]"
    assert str(kind("gen-1 failed", generation_id="gen-1")) == "gen-1 failed"
    assert str(kind("It failed")) == "It failed"


def test_the_id_is_attached_where_the_raiser_could_not_know_it() -> None:
    error = PixverseUnavailableError("no answer")
    assert error.about("gen-1") is error
    assert error.generation_id == "gen-1"
    assert error.about("gen-2").generation_id == "gen-1"


@EVERY_CLASS
def test_an_error_survives_the_way_between_processes(kind: type[PixverseError]) -> None:
    error = copy.deepcopy(kind("It failed", generation_id="gen-1"))  # by the protocol of pickle
    assert type(error) is kind
    assert (error.message, error.generation_id) == ("It failed", "gen-1")


def test_a_rate_limit_survives_with_its_times() -> None:
    error = copy.deepcopy(PixverseRateLimitError("slower", retry_after=3.0, retry_at=9.0))
    assert (error.retry_after, error.retry_at) == (3.0, 9.0)


@pytest.mark.parametrize(
    ("told", "delay"),
    [
        ({}, None),
        ({"retry_after": 7.0}, 7.0),
        ({"retry_after": 0.0}, 0.0),
        ({"retry_after": -5.0}, 0.0),
        ({"retry_at": 130.0}, 30.0),
        ({"retry_at": 90.0}, 0.0),
        ({"retry_after": 7.0, "retry_at": 130.0}, 7.0),
    ],
)
def test_a_rate_limit_waits_as_the_gateway_asked(told: dict[str, float], delay: float | None) -> None:
    assert PixverseRateLimitError("slower", **told).delay(now=100.0) == delay
