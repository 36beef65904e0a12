# SPDX-License-Identifier: Apache-2.0
"""What an editor is told of the fields, against the fields there are."""

from __future__ import annotations

import inspect
from typing import get_args

from airflow.sdk import BaseOperator

from airflow_provider_pixverse import catalog, requests
from airflow_provider_pixverse.decorators.pixverse import OWN_FIELDS
from airflow_provider_pixverse.operators import fields
from airflow_provider_pixverse.operators.pixverse import PixverseGenerateOperator
from airflow_provider_pixverse.rules import sending

TASK = set(fields.TaskFields.__annotations__)
SHARED = set(fields.SharedFields.__annotations__) - TASK


def test_every_argument_of_an_airflow_task_is_known() -> None:
    arguments = set(inspect.signature(BaseOperator.__init__).parameters)
    # The result of these tasks is one dict.
    assert arguments - {"self", "kwargs", "multiple_outputs"} - TASK == set()


def test_every_shared_field_is_known() -> None:
    parameters = inspect.signature(PixverseGenerateOperator.__init__).parameters.values()
    shared = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert shared == SHARED | {"audio"}
    assert set(fields.VideoFields.__annotations__) == TASK | shared
    assert set(fields.DecoratorFields.__annotations__) == TASK | shared | set(OWN_FIELDS)


def test_the_values_offered_are_those_allowed() -> None:
    for name in ("Resolution", "AspectRatio", "Style", "Thinking"):
        assert getattr(fields, name) == getattr(requests, name)
    assert get_args(fields.Voice) == ("auto", *requests.VOICES)
    assert set(get_args(fields.Version)) == {row.version for row in catalog.OFFERINGS} - {""}
    assert fields.OnAmbiguousSubmit == sending.OnAmbiguousSubmit
