# SPDX-License-Identifier: Apache-2.0
"""The PixVerse hook: what the connection says, and the verbs that operators, sensors and triggers use."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import httpx
from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

from airflow_provider_pixverse import catalog, poller, storage
from airflow_provider_pixverse.client import download
from airflow_provider_pixverse.connection import CONN_TYPE, Settings, read_settings
from airflow_provider_pixverse.exceptions import (
    PixverseError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.hooks.lookup import explained
from airflow_provider_pixverse.hooks.media import read_medium
from airflow_provider_pixverse.media import check_medium
from airflow_provider_pixverse.rules.waiting import Decision, Watch, decide, first_look
from airflow_provider_pixverse.submission import Submission

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from airflow_provider_pixverse.generation import Balance, Cost, Generation
    from airflow_provider_pixverse.media import Medium
    from airflow_provider_pixverse.requests import GenerationRequest
    from airflow_provider_pixverse.rules.sending import Accepted, OnAmbiguousSubmit
    from airflow_provider_pixverse.storage import SavedVideo

ResultT = TypeVar("ResultT")


class PixverseHook(BaseHook):
    """
    Submits, looks at, waits for and saves PixVerse generations through the connection's gateway.

    :param pixverse_conn_id: The connection: ``password`` is the API key, ``host`` overrides the
        gateway's base URL, extra ``gateway`` names the gateway (``aimlapi`` where it does not), and
        ``region`` which of its hosts (the vendor's first where it does not).
    """

    conn_name_attr: ClassVar[str] = "pixverse_conn_id"
    default_conn_name: ClassVar[str] = "pixverse_default"
    conn_type: ClassVar[str] = CONN_TYPE
    hook_name: ClassVar[str] = "PixVerse"

    def __init__(self, pixverse_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pixverse_conn_id = pixverse_conn_id
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """
        What the connection says, looked up once.

        :raises PixverseAuthError: if it has no usable API key.
        :raises PixverseRequestError: if there is no such connection, or a field of it is wrong.
        :raises PixverseNotSentError: if it could not be looked up, as a secrets backend is away.
        """
        if self._settings is None:
            with explained(self.pixverse_conn_id):
                connection = self.get_connection(self.pixverse_conn_id)
                extra = connection.extra_dejson
            self._settings = read_settings(connection, extra)
        return self._settings

    def get_conn(self) -> Settings:
        """Return what the connection says; clients are opened for each verb."""
        return self.settings

    def check(self, request: GenerationRequest) -> tuple[str, str | None]:
        """
        Hold a request against the catalogue; nothing is sent.

        :param request: What the user asks for.
        :return: The vendor's model that would serve it, and its PixVerse version where that is known.
        :raises PixverseRequestError: naming field, value and what is allowed.
        """
        gateway = self.settings.gateway
        catalog.check(gateway, request)
        return catalog.identify(gateway, request)

    def expected_cost(self, request: GenerationRequest) -> Cost | None:
        """
        Return what the vendor's published prices say a request costs, or ``None`` where they say nothing.

        :param request: What the user asks for.
        """
        return self.settings.make_gateway().expected_cost(request)

    def submit(
        self,
        request: GenerationRequest,
        *,
        key: str | None = None,
        timeout: float = 1800.0,
        on_ambiguous_submit: OnAmbiguousSubmit = "fail",
    ) -> Generation:
        """
        Buy one video. Not idempotent: each call that succeeds is charged.

        :param request: What the user asks for; media that are not URLs are read and sent along.
        :param key: A UUID of this submission, by which the vendor can be asked for it; made if absent.
        :param timeout: Seconds for which a gateway that takes no requests, or cannot be reached, is
            tried again.
        :param on_ambiguous_submit: ``fail`` or ``resubmit``: what to do if it stays unknown whether
            a video was bought.
        :return: The generation as accepted.
        :raises PixverseError: any of its kinds but those about a finished video.
        """
        submission = Submission(
            request=request,
            key=key or str(uuid.uuid4()),
            deadline=time.time() + timeout,
            on_ambiguous_submit=on_ambiguous_submit,
        )
        return self.buy(submission).generation

    def buy(self, submission: Submission) -> Accepted:
        """
        Carry a submission out, with what earlier tries know of it and a journal for the next.

        :param submission: What to buy; its media are read here.
        :return: The generation as accepted, and the key that it was bought under.
        :raises PixverseError: any of its kinds but those about a finished video.
        """
        self.check(submission.request)
        submission = replace(submission, read_media=lambda: self._media(submission.request))

        async def submit() -> Accepted:
            async with self.settings.client() as client:
                return await client.submit(submission)

        return _run(submit())

    def _media(self, request: GenerationRequest) -> dict[str, Medium]:
        media = {
            field: read_medium(field, value)
            for field in request.media_fields
            if (value := getattr(request, field)) is not None
        }
        for field, medium in media.items():
            check_medium(field, medium, catalog.MEDIA_LIMITS.get((self.settings.gateway, medium.kind)))
        return media

    def get_generation(self, generation_id: str) -> Generation:
        """
        Ask the gateway once how a generation stands.

        :param generation_id: The gateway's id.
        :raises PixverseNotFoundError: where the gateway does not know it.
        :raises PixverseUnavailableError: where the gateway gave no usable answer.
        """
        return _run(_look(self.settings, generation_id))

    async def aget_generation(self, generation_id: str) -> Generation:
        """Do what :meth:`get_generation` does, from a coroutine."""
        if self._settings is None:
            self._settings = await _look_up(self.pixverse_conn_id)
        return await _look(self._settings, generation_id)

    def decide(self, watch: Watch) -> Decision:
        """
        Look once and say what follows.

        :param watch: What is being waited for.
        """
        try:
            look: Generation | PixverseError = self.get_generation(watch.generation_id)
        except PixverseError as error:
            look = error
        return decide(watch, look, now=time.time())

    def wait(
        self,
        generation_id: str,
        *,
        timeout: float = 1800.0,
        poll_interval: float = 10.0,
        not_before: float | None = None,
    ) -> Generation:
        """
        Wait on the worker until the video is finished.

        :param generation_id: The gateway's id.
        :param timeout: Seconds to wait at most.
        :param poll_interval: Seconds between polls.
        :param not_before: Epoch seconds before which the video cannot be ready, and nothing is polled.
        :raises PixverseTimeout: if it was not finished in time.
        :raises PixverseGenerationFailed: if the vendor failed to make it.
        :raises PixverseError: see ``rules.waiting.decide`` for the others.
        """
        return self.watch(Watch(generation_id, time.time() + timeout, poll_interval), not_before=not_before)

    def watch(self, watch: Watch, *, not_before: float | None = None) -> Generation:
        """
        Wait on the worker for what a watch describes.

        :param watch: What to wait for, until when, polling how often.
        :param not_before: Epoch seconds before which nothing is polled.
        :raises PixverseError: as :meth:`wait` does.
        """
        settings = self.settings

        async def wait() -> Generation:
            in_seconds = first_look(watch, not_before=not_before or 0.0, now=time.time())
            return await poller.Poller(partial(_resolved, settings)).wait(watch, first_look=in_seconds)

        return _run(wait())

    def save_video(self, generation: Generation, output_path: str) -> tuple[str, SavedVideo]:
        """
        Fetch a finished video and put it in place, checked; what is there is replaced.

        :param generation: A finished generation.
        :param output_path: Object-storage URL or path, with an Airflow connection as
            ``ObjectStoragePath`` takes it; a trailing ``/`` means a folder.
        :return: Where it lies, and its size and SHA-256.
        :raises PixverseDownloadError: where it could not be fetched or stored. It is still paid for,
            and can be saved again.
        """
        if not generation.video_url:
            raise PixverseResponseError(
                f"Generation {generation.id} has no video to save: it is {generation.condition}.",
                generation_id=generation.id,
            )
        target = storage.file_name(output_path, generation.id)
        try:
            path = ObjectStoragePath(target)
            fs = path.fs
        except Exception as error:
            # A missing provider or connection: whatever ObjectStoragePath meets on its way to the storage.
            raise storage.undelivered(generation.id, target, error) from error
        saved = storage.save(
            partial(download, generation.video_url, request_timeout=self.settings.request_timeout),
            fs,
            path.path,
            generation_id=generation.id,
            file_size=generation.file_size,
        )
        return target, saved

    def check_output_path(self, output_path: str) -> None:
        """
        Make sure that a video could go there as far as can be told without writing anything.

        :param output_path: As :meth:`save_video` takes it.
        :raises PixverseRequestError: where no storage answers to it.
        """
        try:
            fs = ObjectStoragePath(output_path).fs
        except Exception as error:
            raise PixverseRequestError(
                f"output_path={output_path!r}: no storage answers to it, nothing was sent: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.log.debug("%s is kept by %s", output_path, type(fs).__name__)

    def is_saved(self, output_path: str) -> bool:
        """
        Return whether a file is there.

        :param output_path: Object-storage URL or path, as a result gives it.
        """
        try:
            return bool(ObjectStoragePath(output_path).is_file())
        except Exception as error:
            self.log.warning("Whether a file is at %s is not known: %s.", output_path, type(error).__name__)
            return False

    def get_balance(self) -> Balance:
        """
        Ask for what is left in the account; free of charge.

        :raises PixverseAuthError: where the key is refused.
        :raises PixverseUnavailableError: where the gateway gave no usable answer.
        """

        async def balance() -> Balance:
            async with self.settings.client() as client:
                return await client.balance()

        return _run(balance())

    def test_connection(self) -> tuple[bool, str]:
        """Make one free authenticated call and say in words how it went, and what to do."""
        try:
            gateway = self.settings.make_gateway()
            asked = f"{gateway.name} at {httpx.URL(gateway.base_url).netloc.decode()}"
        except PixverseError as error:
            # Airflow tests under an id of its own making, which tells its reader nothing.
            return False, str(error).replace(f"connection {self.pixverse_conn_id!r}", "this connection")
        try:
            balance = self.get_balance()
        except PixverseUnavailableError as error:
            todo = "Check this connection's base URL, and that this machine may reach it."
            return False, f"No usable answer from {asked}: {str(error).rstrip('.')}. {todo}"
        except PixverseError as error:
            return False, f"{error} (Asked was {asked}.)"
        return True, f"{asked} accepts the key; the balance is {balance}."


def shared_poller(conn_id: str) -> poller.Poller:
    """
    Return the poller that all triggers of a connection share in the running event loop.

    :param conn_id: The connection, looked up once however many triggers wait on it.
    """
    return poller.shared_poller(conn_id, partial(_look_up, conn_id))


async def _resolved(settings: Settings) -> Settings:
    return settings


async def _look_up(conn_id: str) -> Settings:
    with explained(conn_id, ask_again=False):
        connection = await get_async_connection(conn_id)
        extra = await get_async_extra_dejson(connection)
    return read_settings(connection, extra)


async def _look(settings: Settings, generation_id: str) -> Generation:
    async with settings.client() as client:
        return await client.look(generation_id)


def _run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine from synchronous code, also if this thread's event loop is already running."""
    if not _in_event_loop():
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, work).result()


def _in_event_loop() -> bool:
    # A function of its own: what is raised while a RuntimeError is handled shows it as its own cause.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
