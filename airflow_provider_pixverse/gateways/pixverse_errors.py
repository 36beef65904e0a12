# SPDX-License-Identifier: Apache-2.0
"""
PixVerse's error codes, and what a DAG author would do next about each: data.

Source: docs.platform.pixverse.ai, "Error codes" and "Common errors and Solutions", and the same pages in
Chinese. A code that is not here says nothing about whether a video was bought.
"""

from __future__ import annotations

from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseGoneError,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseUnavailableError,
)

UNSURE = frozenset({99999, 500100})
"""Unknown error, database error: neither says what became of the request, whatever the HTTP status."""

CODES: dict[int, type[PixverseError]] = {
    **dict.fromkeys((10001, 10002, 10003, 10004, 10005), PixverseAuthError),
    400012: PixverseAuthError,  # invalid account
    500008: PixverseNotFoundError,  # requested data not found
    500020: PixverseAuthError,  # no permission, the plan does not include it
    500030: PixverseRequestError,  # picture above 20 MB or too many pixels
    500031: PixverseRequestError,  # picture cannot be read
    500032: PixverseRequestError,  # picture format
    500033: PixverseRequestError,  # picture width or height
    500041: PixverseUnavailableError,  # picture could not be stored
    500042: PixverseRequestError,  # picture path
    500044: PixverseRateLimitError,  # concurrent generations
    500054: PixverseModerationError,  # picture
    500060: PixverseRequestError,  # monthly quota of effects
    500063: PixverseModerationError,  # video, picture or text
    500064: PixverseGoneError,  # content deleted
    500069: PixverseRateLimitError,  # high load
    500070: PixverseRequestError,  # template not activated
    500071: PixverseRequestError,  # effect without 720p or 1080p
    500090: PixverseCreditsError,
}

HTTP_STATUSES: dict[int, type[PixverseError]] = {
    **dict.fromkeys((400, 405, 413, 415, 422), PixverseRequestError),
    401: PixverseAuthError,
    403: PixverseAuthError,
    404: PixverseNotFoundError,
    429: PixverseRateLimitError,
}
"""For answers without a code of the table: nearly every answer of this vendor is a 200."""

ADVICE: dict[type[PixverseError], str] = {
    PixverseAuthError: (
        "pixverse refused the API key or its rights: {words}. Correct the connection's password and region: "
        "a key belongs to one region, and some operations to larger plans."
    ),
    PixverseCreditsError: (
        "The pixverse account has no credits left: {words}. Nothing was bought. API credits are apart from "
        "those of the app; top them up and clear the task."
    ),
    PixverseModerationError: (
        "pixverse refused the input by moderation, nothing was bought: {words}. Change the prompt or the "
        "input."
    ),
    PixverseGoneError: (
        "pixverse no longer has this generation: {words}. It was bought. Ask the gateway's support with its "
        "id, or clear the task to buy the video again."
    ),
    PixverseNotFoundError: (
        "pixverse does not know this generation: {words}. Check that the id and the connection's account and "
        "region belong together."
    ),
    PixverseRateLimitError: "pixverse takes no more generations for now, nothing was bought: {words}",
    PixverseRequestError: "pixverse refused the request, nothing was bought: {words}",
    PixverseUnavailableError: "pixverse could not serve the request: {words}",
}


def kind_of(code: int | None, status: int, *, polling: bool = False) -> type[PixverseError] | None:
    """
    Return the error that an answer stands for, or ``None`` where it does not say what happened.

    :param code: The envelope's ``ErrCode``, where there is one.
    :param status: The HTTP status.
    :param polling: Whether a poll was asked. Its id is all it says, so that what is wrong with the request
        is wrong with the id; whereas what is missing for other requests is wrong with them.
    """
    if code in UNSURE:
        return None
    kind = CODES.get(code) if code is not None else None
    if kind is None and code is not None and 400_000 <= code < 401_000:
        kind = PixverseRequestError
    kind = kind or HTTP_STATUSES.get(status)
    if kind is PixverseGoneError and not polling:
        # What is gone is then a medium or a generation that the request names.
        return PixverseRequestError
    if kind in (PixverseRequestError, PixverseNotFoundError):
        return PixverseNotFoundError if polling else PixverseRequestError
    return kind
