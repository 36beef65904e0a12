# SPDX-License-Identifier: Apache-2.0
"""
What the UI's Rendered Templates page shows of a picture or video that was given as a data URI.

Airflow shows, and stores, the first 4,096 characters of it as text, which pushes all other fields off the
page. It takes what is not a string by its ``str()``: the content is kept in an object that has a short one.
"""

from __future__ import annotations

from typing import Any

MEDIA = ("image", "first_frame", "last_frame", "video", "audio")

LONGEST = 200
"""Characters up to which a data URI is shown as it is."""


class FoldedDataUri:
    """A data URI that shows its beginning and its length alone."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def __str__(self) -> str:
        return f"{self.uri[:40]}… ({len(self.uri):,} characters)"


def fold(task: Any) -> None:
    """Put what is shown short in place of the long data URIs among a task's media."""
    for field in MEDIA:
        value = getattr(task, field, None)
        if isinstance(value, str) and len(value) > LONGEST and value[:5].lower() == "data:":
            setattr(task, field, FoldedDataUri(value))


def unfolded(value: Any) -> Any:
    """Return the value that was rendered."""
    return value.uri if isinstance(value, FoldedDataUri) else value
