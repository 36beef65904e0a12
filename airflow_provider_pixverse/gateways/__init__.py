# SPDX-License-Identifier: Apache-2.0
"""The vendors' contracts, one file each, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.gateways.aimlapi import AimlapiGateway
from airflow_provider_pixverse.gateways.pixverse import PixverseGateway
from airflow_provider_pixverse.gateways.segmind import SegmindGateway

if TYPE_CHECKING:
    from airflow_provider_pixverse.gateways.base import Gateway

GATEWAYS: dict[str, type[Gateway]] = {
    gateway.name: gateway for gateway in (AimlapiGateway, SegmindGateway, PixverseGateway)
}
DEFAULT_GATEWAY = AimlapiGateway.name


def make_gateway(name: str, api_key: str, *, base_url: str = "", region: str | None = None) -> Gateway:
    """
    Return the contract of a gateway.

    :param name: ``aimlapi``, ``segmind`` or ``pixverse``.
    :param api_key: The key that authenticates every request.
    :param base_url: Base of everything the gateway offers; empty for the vendor's own.
    :param region: The vendor's region whose base is meant; ``None`` for its first.
    :raises PixverseRequestError: where there is no such gateway or region.
    """
    gateway = GATEWAYS.get(name)
    if gateway is None:
        raise PixverseRequestError(
            f"gateway={name!r}: allowed are {', '.join(GATEWAYS)}. Correct the connection's extra."
        )
    if region is not None and region not in gateway.base_urls:
        raise PixverseRequestError(
            f"region={region!r}: {name} has {', '.join(gateway.base_urls)}. Correct the connection's extra."
        )
    return gateway(api_key, base_url=base_url, region=region)
