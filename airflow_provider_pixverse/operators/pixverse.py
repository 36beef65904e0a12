# SPDX-License-Identifier: Apache-2.0
"""
Operators that make PixVerse videos: submit once, free the worker while it renders, deliver the file.

Each operator is its request (``requests.py``) with Airflow around it; all of them run the same few
steps in :class:`PixverseGenerateOperator`.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_pixverse.operators.generate import PixverseGenerateOperator

__all__ = [
    "PixverseGenerateOperator",
    "PixverseImageToVideoOperator",
    "PixverseTextToVideoOperator",
    "PixverseTransitionOperator",
]


class PixverseTextToVideoOperator(PixverseGenerateOperator):
    """
    Make a video from words alone; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What the video shows.
    :param aspect_ratio: 16:9, 4:3, 1:1, 3:4, 9:16.
    """

    kind = "TextToVideo"
    own_fields = ("prompt", "aspect_ratio")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(self, *, prompt: str, aspect_ratio: str = "16:9", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.aspect_ratio = aspect_ratio


class PixverseImageToVideoOperator(PixverseGenerateOperator):
    """
    Make a video that starts from a picture; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What happens in the video.
    :param image: http(s) URL, data URI, local path or object-storage path of the first frame.
    """

    kind = "ImageToVideo"
    own_fields = ("prompt", "image")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(self, *, prompt: str, image: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.image = image


class PixverseTransitionOperator(PixverseGenerateOperator):
    """
    Make a video from one picture to another; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What happens between them.
    :param first_frame: http(s) URL, data URI, local path or object-storage path.
    :param last_frame: Likewise; the first frame again makes a seamless loop.
    """

    kind = "Transition"
    own_fields = ("prompt", "first_frame", "last_frame")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(self, *, prompt: str, first_frame: str, last_frame: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.first_frame = first_frame
        self.last_frame = last_frame
