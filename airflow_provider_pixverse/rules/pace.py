# SPDX-License-Identifier: Apache-2.0
"""
How long the provider waits for what, in one value.

Whoever waits takes a :class:`Pace`, or :func:`usual` if it is given none. Nothing else in the package holds a
number of seconds between two attempts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """
    What is waited, in seconds.

    :param first_back_off: Before the second send of a submission that certainly bought nothing; doubled for
        each further one.
    :param longest_back_off: Longest wait between two such sends, and between two polls that fail.
    :param look_up_delays: Before each search for a submission that may have been accepted. Vendors' records
        lag behind (docs.aimlapi.com, "Request Tracing and Cost Headers"), so that a submission is not
        listed at first proves nothing.
    :param unknown_id_grace: For how long a gateway has to call the id of a paid video unknown before the wait
        ends. A redeployed gateway answers 404 for minutes.
    :param rendering_share: Share of the shortest rendering ever seen of a model that passes before the first
        poll; 1 is all of it.
    :param earliest_event: From the start of a trigger to its event. A worker may report that its task was
        deferred up to 5 s late; if the trigger fires before that report, the scheduler fails the task.
    :param download_retries: Before each further download of a video that did not arrive whole.
    :param record_retries: Before each further attempt to store the record of a video that is paid for.
    """

    first_back_off: float = 1.0
    longest_back_off: float = 60.0
    look_up_delays: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0, 30.0)
    unknown_id_grace: float = 300.0
    rendering_share: float = 1.0
    earliest_event: float = 7.0
    download_retries: tuple[float, ...] = (1.0, 5.0)
    record_retries: tuple[float, ...] = (1.0, 3.0)


PACE = Pace()
"""The pace of this process. A test that must not wait replaces it."""


def usual() -> Pace:
    """Return the pace of this process."""
    return PACE
