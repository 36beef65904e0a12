# SPDX-License-Identifier: Apache-2.0
"""
Segmind (api.segmind.com): PixVerse v4.5, v5 and v6 by its asynchronous v2 interface.

A job is submitted, its status asked for until it is COMPLETED, then its result fetched. Both are kept for an
hour; after it the request history answers, at any age, and it is also where a lost submission is looked for.

Sources: the model pages at segmind.com/models, docs.segmind.com, and the official client ``segmind`` 1.3.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import httpx

from airflow_provider_pixverse import catalog, redaction
from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseError,
    PixverseNotFoundError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.gateways import segmind_answers as answers
from airflow_provider_pixverse.gateways.base import Gateway, gone, json_object, number, unusable
from airflow_provider_pixverse.gateways.segmind_body import body_of, seed_of
from airflow_provider_pixverse.gateways.words import GONE, OWN_TEXTS, own_texts, sent_body, sent_texts
from airflow_provider_pixverse.generation import Balance, Generation, GenerationStatus

if TYPE_CHECKING:
    from airflow_provider_pixverse.media import Medium
    from airflow_provider_pixverse.requests import GenerationRequest

ASSETS = "https://workflows-api.segmind.com"
RECORDS = "https://api.spotprod.segmind.com"
"""Where the vendor has uploads and records; below the connection's host where that names another one."""

CLOCK_SKEW = 120.0
"""Seconds by which the vendor's clock may differ from ours when its history is searched."""

PAGE_ROWS = 100
MOST_PAGES = 10
"""How much of the history is read for one submission."""

_DAY = 86_400.0
_LONGEST_URL = 2000
_ASKED = "pixverse"


@dataclass(frozen=True, slots=True)
class _Poll:
    """What a poll's request is about. It travels in the request's extensions, which are not sent."""

    generation_id: str
    asks: str = "status"
    finished: Generation | None = None
    expired: str = ""


@dataclass(frozen=True, slots=True)
class _Search:
    """When the submission was sent that a look into the history is for, and what earlier pages had."""

    since: float
    until: float
    page: int = 1
    candidates: tuple[dict[str, Any], ...] = ()


class SegmindGateway(Gateway):
    """The Segmind contract."""

    name: ClassVar[str] = "segmind"
    base_urls: ClassVar[dict[str, str]] = {"international": "https://api.segmind.com"}
    has_records: ClassVar[bool] = True

    def submit(self, request: GenerationRequest, *, key: str) -> httpx.Request:
        """Return ``POST /v2/{slug}``; without a seed of the user's, the key decides it."""
        body = body_of(request, key=key)
        slug = quote(catalog.identify(self.name, request)[0], safe="")
        return httpx.Request("POST", f"{self.base_url}/v2/{slug}", json=body, headers=self._headers())

    def submitted(self, response: httpx.Response) -> Generation:
        """Read the submit answer; an id beside a known status counts whatever the code, FAILED included."""
        body = json_object(response) or {}
        generation_id = redaction.identifier(body.get("request_id"))
        known = answers.status_word(body) in answers.STATUSES
        if generation_id and (response.is_success or known):
            seed = sent_body(response.request).get("seed")
            said = {"seed": seed, **body, "status": body.get("status") or "QUEUED"}
            return self._generation(generation_id, said, sent_texts(response.request))
        if (
            not response.is_success
            and (error := answers.refusal(response, self._words(response))) is not None
        ):
            raise error
        # The table calls a 500 unbilled, and the guide lets one be sent again; too little to pay twice on.
        words = self._words(response) or str(unusable(self.name, response))
        raise PixverseAmbiguousSubmitError(
            f"segmind answered the submission with HTTP {response.status_code} and no id: {words}"
        )

    def poll(self, generation_id: str) -> httpx.Request:
        """Return ``GET /v2/requests/{id}/status``."""
        return self._get(f"{self._request_url(generation_id)}/status", _Poll(generation_id))

    def polled(self, response: httpx.Response) -> Generation | httpx.Request:
        """
        Read a status, then a result, then if need be the history: by the body's status, then by the code.

        A result that is the video itself cannot be handed on, since fetching it takes the key. Like one
        in which no URL is found, it is looked up in the history, which has the URL of the public file.
        """
        poll: _Poll = response.request.extensions[_ASKED]
        if poll.asks == "history":
            return self._resolved(response, poll)
        body, code = json_object(response) or {}, response.status_code
        word = answers.status_word(body)
        if not word and code == 422 and body:
            word = "FAILED"
        if not word and poll.asks == "result" and response.is_success:
            word = "COMPLETED" if answers.url_in(body) or answers.is_film(response) else ""
        # Below other codes an envelope's own "FAILED" must not be taken for the paid job's.
        named = body.get("request_id") == poll.generation_id and code not in (401, 403, 429)
        if word.lower() in GONE and (response.is_success or code == 422 or named):
            # The result expired; the history has it at any age.
            return self._history(poll.generation_id, expired=word)
        known = word in answers.STATUSES and (code == 422 or named)
        if known or (word and response.is_success):
            said = body if answers.status_word(body) else {**body, "status": word}
            generation = self._generation(poll.generation_id, said)
            return self._followed(generation, poll, body.get("response_url"))
        if code in (400, 404, 410) and not answers.is_about_credits(self._words(response)):
            return self._history(poll.generation_id)
        raise self._no_answer(response).about(poll.generation_id)

    def balance(self) -> httpx.Request:
        """Return ``GET /v1/get-user-credits``."""
        return httpx.Request("GET", f"{self.base_url}/v1/get-user-credits", headers=self._headers())

    def balance_read(self, response: httpx.Response) -> Balance:
        """Read ``credits`` and ``free-credits``, whose worth is not stated."""
        body = json_object(response) or {}
        parts = [number(body.get(name)) for name in ("credits", "free-credits")]
        found = [part for part in parts if part is not None]
        if response.is_success and found:
            return Balance(sum(found), "credits")
        raise self._no_answer(response)

    def upload(self, field: str, medium: Medium) -> httpx.Request | str:
        """Return ``POST /upload-asset`` for a medium that is nowhere on the web."""
        if medium.url:
            return medium.url
        url, body = f"{self._base(ASSETS)}/upload-asset", {"data_urls": [medium.data_uri()]}
        return httpx.Request("POST", url, json=body, headers=self._headers())

    def uploaded(self, response: httpx.Response) -> str:
        """Read ``file_urls``, which has one URL for each medium."""
        body = json_object(response) or {}
        if response.is_success and (url := answers.url_in(body.get("file_urls"))):
            return url
        raise answers.refusal(response, self._words(response)) or unusable(self.name, response)

    def look_up(self, request: GenerationRequest, *, key: str, since: float, until: float) -> httpx.Request:
        """Return ``GET /inference-request/request-history``, the newest of the model first."""
        return self._listing(request, _Search(since - CLOCK_SKEW, until + CLOCK_SKEW))

    def looked_up(
        self, response: httpx.Response, *, request: GenerationRequest, key: str
    ) -> Generation | httpx.Request | None:
        """
        Find the row of the time in question whose body is the one that was sent.

        Several rows under a seed that follows from the key are all this submission's: the newest is taken.
        Under a seed of the user's, the others are of other tasks, and nothing says which.
        """
        search: _Search = response.request.extensions[_ASKED]
        rows = answers.rows(response.content) if response.is_success else None
        if rows is None:
            raise answers.refusal(response, self._words(response)) or unusable(self.name, response)
        sent, slug = body_of(request, key=key), catalog.identify(self.name, request)[0]
        own_seed = sent.get("seed") == seed_of(key)
        since, until = search.since, search.until
        ours = {answers.row_id(row): row for row in search.candidates} | {
            answers.row_id(row): row
            for row in rows
            if answers.is_of(row, sent, slug=slug, since=since, until=until, own_seed=own_seed)
        }
        if len(ours) > 1 and not own_seed:
            raise PixverseAmbiguousSubmitError(
                f"{len(ours)} requests of segmind's history could be this submission: "
                f"{', '.join(sorted(ours)[:5])}"
            )
        oldest = min((answers.created(row) or until for row in rows), default=0.0)
        if len(rows) < PAGE_ROWS or oldest < since or (ours and own_seed):
            newest = max(ours.values(), key=lambda row: answers.created(row) or 0.0, default=None)
            return None if newest is None else self._from_row(newest)
        if search.page == MOST_PAGES:
            raise PixverseUnavailableError(
                f"segmind's history has more than {PAGE_ROWS * MOST_PAGES} requests since the submission"
            )
        return self._listing(request, _Search(since, until, search.page + 1, tuple(ours.values())))

    def _generation(
        self, generation_id: str, body: dict[str, Any], texts: tuple[str, ...] = ()
    ) -> Generation:
        redact = partial(self.redact, secrets=texts)
        return answers.generation(generation_id, body, gateway=self.name, redact=redact)

    def _from_row(self, row: dict[str, Any]) -> Generation:
        # A row holds the body that was sent, so what its error quotes of that is known.
        texts = own_texts(answers.sent_body_of(row))
        return self._generation(answers.row_id(row), answers.row_as_body(row), texts)

    def _followed(self, generation: Generation, poll: _Poll, result: object) -> Generation | httpx.Request:
        """Return what a status or result says, or the request for what it leaves open."""
        if generation.status is not GenerationStatus.FINISHED:
            return generation
        if poll.asks == "status":
            url = self._own(result) or self._request_url(generation.id)
            return self._get(url, _Poll(generation.id, "result"))
        return generation if generation.video_url else self._history(generation.id, finished=generation)

    def _resolved(self, response: httpx.Response, poll: _Poll) -> Generation:
        """Read what the history has on one request: the last that is asked about an id."""
        rows = answers.rows(response.content) if response.is_success else None
        for row in rows or ():
            if answers.row_id(row) == poll.generation_id:
                found = self._from_row(row)
                if found.vendor_status.lower() in GONE:
                    raise gone(self.name, found.id, f"its history lists it as {found.vendor_status}")
                return found
        # A key that the history alone refuses was accepted a moment before, by the answer that led here.
        refused = response.status_code in (400, 401, 403, 404, 410, 422) and json_object(response) is not None
        if rows is None and not refused:
            raise self._no_answer(response).about(poll.generation_id)
        if poll.finished is not None:
            return poll.finished
        if poll.expired:
            raise gone(self.name, poll.generation_id, f"{poll.expired}, and its history does not have it")
        words = self._words(response) or f"HTTP {response.status_code}"
        raise PixverseNotFoundError(
            f"segmind has generation {poll.generation_id} neither among the requests of the last hour nor in "
            f"its history: {words}. Check that the id and the connection's account belong together.",
            generation_id=poll.generation_id,
        )

    def _request_url(self, generation_id: str) -> str:
        return f"{self.base_url}/v2/requests/{quote(generation_id, safe='')}"

    def _history(
        self, generation_id: str, *, finished: Generation | None = None, expired: str = ""
    ) -> httpx.Request:
        url = f"{self._base(RECORDS)}/inference-request/request-history/{quote(generation_id, safe='')}"
        return self._get(url, _Poll(generation_id, "history", finished, expired))

    def _listing(self, request: GenerationRequest, search: _Search) -> httpx.Request:
        # Dates are days of an unnamed zone, so a day more; without an end the window reaches to now.
        first = max(search.since - _DAY, search.until - 30 * _DAY)
        params = {
            "page": str(search.page),
            "per_page": str(PAGE_ROWS),
            "from_date": datetime.fromtimestamp(first, UTC).date().isoformat(),
            "model_name": catalog.identify(self.name, request)[0],
            "sort_by": "model_created",
            "sort_order": "desc",
        }
        listing = self._get(f"{self._base(RECORDS)}/inference-request/request-history", search, params)
        listing.extensions[OWN_TEXTS] = own_texts(request.model_dump())
        return listing

    def _get(self, url: str, asked: _Poll | _Search, params: dict[str, str] | None = None) -> httpx.Request:
        return httpx.Request("GET", url, params=params, headers=self._headers(), extensions={_ASKED: asked})

    def _headers(self) -> dict[str, str]:
        return {"x-api-key": self._api_key, "Accept": "application/json"}

    def _base(self, vendors: str) -> str:
        return vendors if self.base_url in self.base_urls.values() else self.base_url

    def _own(self, url: object) -> str | None:
        """Return a URL that the server handed out where it may be given the key: below our own base."""
        own = redaction.http_url(url)
        return own if own and own.startswith(f"{self.base_url}/") and len(own) < _LONGEST_URL else None

    def _no_answer(self, response: httpx.Response) -> PixverseError:
        error = answers.obstacle(response, self._words(response), of_submission=False)
        return error or unusable(self.name, response)

    def _words(self, response: httpx.Response) -> str:
        return self.redact(answers.words_of(response), secrets=sent_texts(response.request))
