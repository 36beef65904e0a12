# SPDX-License-Identifier: Apache-2.0
"""
What can go wrong, one class per thing a DAG author would do next.

::

    PixverseError
    ├── PixverseRequestError          correct the field it names; nothing was sent or bought
    ├── PixverseAuthError             correct the API key or its rights in the connection
    ├── PixverseCreditsError          top up the account
    ├── PixverseModerationError       change the prompt or the input picture
    ├── PixverseRateLimitError        nothing was bought: run again later, or fewer at a time
    ├── PixverseUnavailableError      the gateway did not answer properly: run again
    │   └── PixverseNotSentError      … and was never reached, so nothing can have been bought
    ├── PixverseRecordError           the record of an earlier try cannot be read: mend its store
    ├── PixverseAmbiguousSubmitError  a video may have been bought: look before submitting again
    ├── PixverseWrongAccountError     the connection leads elsewhere now: restore it, the video is paid for
    ├── PixverseResponseError         the gateway finished without giving a video: ask the gateway
    ├── PixverseNotFoundError         the id is unknown at the gateway
    │   └── PixverseGoneError            … which says that the video expired or was deleted
    ├── PixverseGenerationFailed      the vendor could not make this video: a retry submits anew
    ├── PixverseTimeout               still running: wait longer, a retry goes on with the same id
    └── PixverseDownloadError         the video exists but could not be saved: a retry saves it again

They derive from :class:`Exception`, not from Airflow's: the modules that raise them know nothing of
Airflow. Which of them end a task without using up its retries is decided in ``rules/outcome.py``.
"""

from __future__ import annotations


class PixverseError(Exception):
    """
    Base of everything this provider raises on purpose.

    :param message: What happened and what to do now, for a person reading the task log.
    :param generation_id: The gateway's id of the generation concerned, where there is one.
    """

    def __init__(self, message: str, *, generation_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.generation_id = generation_id

    def about(self, generation_id: str) -> PixverseError:
        """Attach the id of the generation concerned, where the raiser could not know it."""
        if self.generation_id is None:
            self.generation_id = generation_id
        return self

    def __str__(self) -> str:
        if self.generation_id and self.generation_id not in self.message:
            return f"{self.message} [generation {self.generation_id}]"
        return self.message


class PixverseRequestError(PixverseError, ValueError):
    """The request is not one that the gateway can serve. Nothing was bought."""


class PixverseAuthError(PixverseError):
    """The gateway refused the API key. Nothing was bought."""


class PixverseCreditsError(PixverseError):
    """The account has no credits left for this. Nothing was bought."""


class PixverseModerationError(PixverseError):
    """The vendor's content moderation refused the input or the finished video."""


class PixverseRateLimitError(PixverseError):
    """
    The gateway takes no more requests for now. Nothing was bought.

    :param retry_after: Seconds after which the gateway takes requests again, where it said so.
    :param retry_at: The moment from which it does, epoch seconds, where it named one instead.
    """

    def __init__(
        self,
        message: str,
        *,
        generation_id: str | None = None,
        retry_after: float | None = None,
        retry_at: float | None = None,
    ) -> None:
        super().__init__(message, generation_id=generation_id)
        self.retry_after = retry_after
        self.retry_at = retry_at

    def delay(self, now: float) -> float | None:
        """Return the seconds to wait as the gateway asked, or ``None`` where it did not say."""
        if self.retry_after is not None:
            return max(0.0, self.retry_after)
        return None if self.retry_at is None else max(0.0, self.retry_at - now)


class PixverseUnavailableError(PixverseError):
    """The gateway gave no usable answer: a 5xx, a time-out, a lost connection, not JSON."""


class PixverseNotSentError(PixverseUnavailableError):
    """The gateway could not be reached at all, so the request was never sent."""


class PixverseAmbiguousSubmitError(PixverseError):
    """A submission went out and no id came back: a video may have been bought, or not."""


class PixverseRecordError(PixverseError):
    """Whether an earlier try bought this video cannot be read, so this one bought nothing."""


class PixverseWrongAccountError(PixverseError):
    """The connection does not lead where the generation was bought. This bought nothing."""


class PixverseResponseError(PixverseError):
    """The gateway calls the generation finished but gives no video."""


class PixverseNotFoundError(PixverseError):
    """The gateway does not know this generation id, or no longer."""


class PixverseGoneError(PixverseNotFoundError):
    """The vendor says that the generation expired or was deleted. It was bought."""


class PixverseGenerationFailed(PixverseError):
    """The vendor tried and failed to make the video."""


class PixverseTimeout(PixverseError, TimeoutError):
    """The video was not finished in time. The job goes on at the vendor: no gateway can cancel."""


class PixverseDownloadError(PixverseError):
    """The finished video could not be fetched or stored. It is still there and still paid for."""
