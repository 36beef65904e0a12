# SPDX-License-Identifier: Apache-2.0
"""
The fields of the operators as an editor completes them: for type checkers alone.

Each choice is its known values or any text: a template, or what the catalogue does not know yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from airflow.providers.common.compat.sdk import DAG, Context, TaskGroup

    Callback = Callable[[Context], None] | list[Callable[[Context], None]] | None

Version = Literal["v3.5", "v4", "v4.5", "v5", "v5.5", "v5.6", "v6", "c1"]
Resolution = Literal["360p", "540p", "720p", "1080p"]
AspectRatio = Literal["16:9", "4:3", "1:1", "3:4", "9:16", "2:3", "3:2", "21:9"]
Style = Literal["anime", "3d_animation", "clay", "comic", "cyberpunk"]
Thinking = Literal["auto", "enabled", "disabled"]
Voice = Literal[
    "auto", "Harper", "Ava", "Isabella", "Sophia", "Emily", "Chloe", "Julia", "Mason", "Jack", "Liam",
    "James", "Oliver", "Adrian", "Ethan",
]  # fmt: skip
OnAmbiguousSubmit = Literal["fail", "resubmit"]
OnChangedRequest = Literal["submit", "fail"]


class TaskFields(TypedDict, total=False):
    """What every task of Airflow takes."""

    task_id: str
    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: Any
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: dict[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: Any
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Callback
    on_failure_callback: Callback
    on_success_callback: Callback
    on_retry_callback: Callback
    on_skipped_callback: Callback
    pre_execute: Callable[[Context], None] | None
    post_execute: Callable[[Context, Any], None] | None
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    inlets: Any
    outlets: Any
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class SharedFields(TaskFields, total=False):
    """What every generating operator takes; :class:`PixverseGenerateOperator` says what they mean."""

    version: Version | str
    resolution: Resolution | str
    duration: int | str
    negative_prompt: str | None
    style: Style | str | None
    seed: int | str | None
    speech: str | None
    voice: Voice | str
    sound_effect: str | None
    multi_clip: bool | str
    thinking: Thinking | str
    model: str | None
    extra: dict[str, Any] | None
    pixverse_conn_id: str
    wait_for_completion: bool
    deferrable: bool
    poll_interval: float
    timeout: float
    output_path: str | None
    durable: bool
    on_ambiguous_submit: OnAmbiguousSubmit
    on_changed_request: OnChangedRequest


class VideoFields(SharedFields, total=False):
    """What the operators take that make a new video."""

    audio: bool | str


class DecoratorFields(SharedFields, total=False):
    """What ``@task.pixverse`` takes: the fields of all operators."""

    prompt: str
    aspect_ratio: AspectRatio | str
    image: str | None
    first_frame: str | None
    last_frame: str | None
    video: str | None
    audio: bool | str | None
