# SPDX-License-Identifier: Apache-2.0
"""
``@task.pixverse``: a function says what the video should be, the decorator makes it.

The function runs on the worker, once in each try, before anything is submitted; a task that was deferred
does not run it again. All the rest is :class:`PixverseGenerateOperator`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    SET_DURING_EXECUTION,
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.operators.generate import SHARED_FIELDS, PixverseGenerateOperator
from airflow_provider_pixverse.operators.pixverse import (
    PixverseExtendOperator,
    PixverseImageToVideoOperator,
    PixverseLipSyncOperator,
    PixverseTextToVideoOperator,
    PixverseTransitionOperator,
)
from airflow_provider_pixverse.operators.rendered import FoldedDataUri, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Unpack

    from airflow.providers.common.compat.sdk import Context, TaskDecorator

    from airflow_provider_pixverse.operators.fields import DecoratorFields
    from airflow_provider_pixverse.purchase import Purchase

FIELDS = "pixverse_fields"
"""XCom key under which a task keeps for its resumption what its function said."""

OWN_FIELDS: tuple[str, ...] = ("prompt", "aspect_ratio", "image", "first_frame", "last_frame", "video")
MEDIA = ("image", "first_frame", "last_frame", "video")

SHOWN = frozenset(OWN_FIELDS) | frozenset(SHARED_FIELDS)
"""What the UI shows of what a function said, after its task was resumed."""

OPERATORS: dict[str, type[PixverseGenerateOperator]] = {
    operator.kind: operator
    for operator in (
        PixverseTextToVideoOperator,
        PixverseImageToVideoOperator,
        PixverseTransitionOperator,
        PixverseExtendOperator,
        PixverseLipSyncOperator,
    )
}
"""The operator of each kind of request, which knows the kind's fields."""

ALLOWED = (
    "Allowed are prompt alone (text to video), prompt with image, prompt with first_frame and last_frame "
    "(transition), prompt with video (extend), and video with audio or speech but no prompt (lip-sync). "
    "Nothing was sent."
)


class _PixverseDecoratedOperator(DecoratedOperator, PixverseGenerateOperator):
    """
    Makes the video that a function describes.

    :param python_callable: The function.
    :param op_args: Its positional arguments (templated).
    :param op_kwargs: Its keyword arguments (templated).
    :param prompt: What the video shows, where the function does not say; so with the other fields.
    """

    kind = ""
    own_fields = OWN_FIELDS
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *OWN_FIELDS,
        *PixverseGenerateOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **PixverseGenerateOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.pixverse"
    # Else the UI would go on showing the fields as they were before the function ran.
    overwrite_rtif_after_execution = True
    _names_path = True

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        prompt: Any = SET_DURING_EXECUTION,
        aspect_ratio: str = "16:9",
        image: str | None = None,
        first_frame: str | None = None,
        last_frame: str | None = None,
        video: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)
        self.prompt = prompt
        self.aspect_ratio = aspect_ratio
        self.image = image
        self.first_frame = first_frame
        self.last_frame = last_frame
        self.video = video

    def execute(self, context: Context) -> Any:
        """Let the function say what the video should be, then make it as every operator does."""
        with self._try(context).ending():
            fields = self._take(*_read(self._answer(context)))
            self._request()
        context["ti"].xcom_push(key=FIELDS, value=self._shown(fields))
        # Past what DecoratedOperator does with the value of a function: this one has been read already.
        return PixverseGenerateOperator.execute(self, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Remember what the function said, so that it is not called again."""
        if not self._try(context).is_of_earlier_try():
            ti = context["ti"]
            fields = ti.xcom_pull(task_ids=ti.task_id, key=FIELDS, map_indexes=ti.map_index)
            if isinstance(fields, Mapping):
                self._names_path = "output_path" in fields
                # For the UI alone, and only what a function may name: anybody may edit an XCom.
                for name in SHOWN.intersection(fields):
                    setattr(self, name, fields[name])
        return super().resume_execution(next_method, next_kwargs, context)

    def _adopt(self, purchase: Purchase) -> None:
        """Take over where the video goes, which only the function said."""
        if self._names_path and purchase.output_path is not None:
            self.output_path = purchase.output_path

    def _fields(self) -> dict[str, Any]:
        fields = super()._fields()
        if not isinstance(self.prompt, str):
            fields["prompt"] = None
        code = getattr(self.python_callable, "__code__", None)
        function = [getattr(self.python_callable, "__qualname__", ""), code.co_code.hex() if code else ""]
        # Of its constants only those whose text is the same in every process.
        function += [
            repr(each) for each in (code.co_consts if code else ()) if isinstance(each, str | float | int)
        ]
        return {**fields, "function": function, "op_args": self.op_args, "op_kwargs": self.op_kwargs}

    def _answer(self, context: Context) -> Any:
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        return self.python_callable(*self.op_args, **kwargs)

    def _take(self, kind: str | None, fields: dict[str, Any]) -> dict[str, Any]:
        """Put what the function said in place of what the decorator was given."""
        _refuse_foreign(fields, "A request", (*OWN_FIELDS, *SHARED_FIELDS))
        if not isinstance(self.prompt, str):
            self.prompt = None
        for name, value in fields.items():
            setattr(self, name, value)
        self.kind = kind or self._kind()
        operator = OPERATORS[self.kind]
        self.own_fields, self.shared_fields = operator.own_fields, operator.shared_fields
        if self.kind == PixverseLipSyncOperator.kind and self.audio is False:
            # There the recording, where the other kinds have a switch of this name.
            self.audio = None  # type: ignore[assignment]
        _refuse_foreign(fields, f"{self.kind}", (*self.own_fields, *self.shared_fields))
        return fields

    def _kind(self) -> str:
        """Tell the kind of request by its fields."""
        media = tuple(name for name in MEDIA if _is_given(getattr(self, name)))
        prompt = _is_given(self.prompt)
        match media:
            case () if prompt:
                return "TextToVideo"
            case ("image",):
                return "ImageToVideo"
            case ("first_frame", "last_frame") | ("first_frame",) | ("last_frame",):
                return "Transition"
            case ("video",) if prompt:
                return "Extend"
            case ("video",):
                return "LipSync"
        given = " with ".join((*(("prompt",) if prompt else ()), *media)) or "neither a prompt nor a medium"
        raise PixverseRequestError(f"@task.pixverse was given {given}. {ALLOWED}")

    def _shown(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return what the UI shows of the fields, also after the task was resumed."""
        fold(self)
        values = {name: getattr(self, name) for name in (*OWN_FIELDS, *fields)}
        return {
            name: str(value) if isinstance(value, FoldedDataUri) else value for name, value in values.items()
        }


def _is_given(value: Any) -> bool:
    return bool(str(value).strip()) if value is not None else False


def _refuse_foreign(fields: dict[str, Any], whose: str, known: tuple[str, ...]) -> None:
    foreign = sorted(fields.keys() - {*known, "output_path"})
    if foreign:
        raise PixverseRequestError(
            f"The function of @task.pixverse returned {', '.join(foreign)}. {whose} has the fields "
            f"{', '.join(sorted({*known, 'output_path'}))}. Nothing was sent."
        )


def _read(answer: Any) -> tuple[str | None, dict[str, Any]]:
    """Return the kind of request, where the function said it, and the fields it named."""
    from airflow_provider_pixverse import requests

    if isinstance(answer, str):
        return None, {"prompt": answer}
    if isinstance(answer, Mapping):
        return None, {str(name): value for name, value in answer.items()}
    for kind in OPERATORS:
        if isinstance(answer, getattr(requests, kind)):
            return kind, {name: getattr(answer, name) for name in sorted(answer.model_fields_set)}
    raise PixverseRequestError(
        f"The function of @task.pixverse returned a value of type {type(answer).__name__}: allowed are a "
        f"prompt (str), a dict of fields, and a request of airflow_provider_pixverse.requests. "
        f"Nothing was sent."
    )


def pixverse_task(
    python_callable: Callable[..., Any] | None = None,
    *,
    multiple_outputs: bool = False,
    **kwargs: Unpack[DecoratorFields],
) -> TaskDecorator:
    """
    Make the video that the decorated function describes; ``@task.pixverse``.

    The function returns a prompt, a dict of fields, or a request of ``requests.py``. What it names wins over
    the decorator's arguments, which are those of the operators and are templated as there. What it
    returns is taken as it is: no template in it is rendered, so words of strangers can go into a prompt. A
    dict may also name the ``output_path``, and its fields say what kind of video it is::

        @task.pixverse(resolution="540p", output_path="s3://campaign/{{ ds }}/")
        def video(product: dict) -> dict:
            return {"prompt": f"{product['name']} turns slowly", "image": product["picture"]}


        video.expand(product=products())

    The task's result is the operators'. A retry runs the function again: if it then says something else, the
    video that is paid for is still used, with a warning.

    :param python_callable: The function.
    :param multiple_outputs: Not offered: parts of the result may be ``None``, which not every Airflow can
        push. It is one XCom, a dict, whatever the function is annotated to return.
    :param kwargs: The fields of the operators.
    :raises TypeError: where ``multiple_outputs`` is set.
    """
    if multiple_outputs:
        raise TypeError(
            "@task.pixverse does not take multiple_outputs: its result is one dict, whose fields the next "
            "task reads (video['output_path'])."
        )
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=_PixverseDecoratedOperator,
        **kwargs,
    )
