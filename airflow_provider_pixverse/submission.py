# SPDX-License-Identifier: Apache-2.0
"""What the client is asked to buy, and where it notes that before anything leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airflow_provider_pixverse.rules.pace import Pace, usual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_pixverse.media import Medium
    from airflow_provider_pixverse.requests import GenerationRequest
    from airflow_provider_pixverse.rules.sending import OnAmbiguousSubmit


class Journal(Protocol):
    """Where a submission is noted before it can leave."""

    def intend(self, key: str, *, media: Mapping[str, str], resubmitted: bool) -> None:
        """
        Note that it may be bought from now on.

        :param key: The key that it leaves under.
        :param media: What stands for its media.
        :param resubmitted: Whether it is submitted once more though an earlier one may have bought a video.
        """

    def withdraw(self) -> None:
        """Note that nothing was bought, while the next send is waited for."""


class Unnoted:
    """A journal for callers who keep none."""

    def intend(self, key: str, *, media: Mapping[str, str], resubmitted: bool) -> None:
        """Note nothing."""

    def withdraw(self) -> None:
        """Note nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """
    One video to buy.

    :param request: What is wanted.
    :param key: A UUID of this submission.
    :param deadline: Epoch seconds after which nothing is sent any more.
    :param on_ambiguous_submit: ``fail`` or ``resubmit``, for a submission whose fate stays unknown.
    :param read_media: Reads the request's media, by field. Called only if something has to be sent.
    :param media: What stands for them, if an earlier try has handed them over.
    :param in_doubt_since: Epoch seconds at which an earlier try may have sent this submission under this key;
        the vendor is asked about it first.
    :param resubmitted: Whether an earlier try has used ``resubmit`` up.
    :param journal: Where it is noted before it can leave.
    :param pace: How long to wait for what.
    """

    request: GenerationRequest
    key: str
    deadline: float
    on_ambiguous_submit: OnAmbiguousSubmit = "fail"
    read_media: Callable[[], Mapping[str, Medium]] = dict
    media: Mapping[str, str] = field(default_factory=dict)
    in_doubt_since: float | None = None
    resubmitted: bool = False
    journal: Journal = field(default_factory=Unnoted)
    pace: Pace = field(default_factory=usual)
