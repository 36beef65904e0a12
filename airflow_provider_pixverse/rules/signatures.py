# SPDX-License-Identifier: Apache-2.0
"""
Which parameters of a URL sign it, and say nothing of what it leads to.

A query names the content unless it is a signature with all its parts: ``?token=`` alone may be anybody's own
parameter. One row for each way of signing, with the parameters that must be there and those that may.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Scheme:
    """
    One way to sign a URL.

    :param needs: Parameters that are there whenever a URL is signed this way, in lower case.
    :param takes: Further ones that belong to the signature.
    :param prefix: Every parameter that begins with it belongs to the signature.
    """

    needs: frozenset[str]
    takes: frozenset[str] = frozenset()
    prefix: str = "\0"


def _scheme(needs: str, takes: str = "", prefix: str = "\0") -> Scheme:
    return Scheme(frozenset(needs.split()), frozenset(takes.split()), prefix)


SCHEMES: tuple[Scheme, ...] = (
    # docs.aws.amazon.com, S3, "Authenticating requests: using query parameters (AWS Signature Version 4)"
    _scheme("x-amz-algorithm x-amz-credential x-amz-date x-amz-signature", prefix="x-amz-"),
    # docs.aws.amazon.com, S3, "Signing and authenticating REST requests" (version 2)
    _scheme("awsaccesskeyid signature expires", "x-amz-security-token"),
    # cloud.google.com, Cloud Storage, "Signed URLs" (version 4 and version 2)
    _scheme("x-goog-algorithm x-goog-credential x-goog-date x-goog-signature", prefix="x-goog-"),
    _scheme("googleaccessid signature expires"),
    # learn.microsoft.com, Azure Storage, service, account and user delegation SAS
    _scheme(
        "sig sv",
        "se st sp sr ss srt spr sip si skoid sktid skt ske sks skv saoid suoid scid ses sdd sduoid skdutid",
    ),
    # docs.aws.amazon.com, CloudFront, "Use signed URLs" with a canned and with a custom policy
    _scheme("signature key-pair-id expires"),
    _scheme("signature key-pair-id policy"),
    # alibabacloud.com, Object Storage Service, signature versions 1 and 4
    _scheme("ossaccesskeyid signature expires", "security-token"),
    _scheme("x-oss-signature x-oss-credential x-oss-date", "security-token", prefix="x-oss-"),
    # cloud.tencent.com, Cloud Object Storage, "Request signature"
    _scheme("q-sign-algorithm q-ak q-sign-time q-signature", "x-cos-security-token", prefix="q-"),
    # support.huaweicloud.com, Object Storage Service, "Authentication of signature in a URL"
    _scheme("accesskeyid signature expires", "x-obs-security-token"),
)


def without_signature(url: str | None) -> str | None:
    """
    Return a URL without what signs it: signed anew, it still leads to the same content.

    :param url: An http(s) URL; any other value is returned as it is.
    """
    if url is None or not url.lower().startswith(("http://", "https://")):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = parts.query.split("&")
    names = {_name(each) for each in query}
    signing = [scheme for scheme in SCHEMES if scheme.needs <= names]
    kept = [each for each in query if not any(_belongs(_name(each), scheme) for scheme in signing)]
    return urlunsplit(parts._replace(query="&".join(kept)))


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0]).lower()


def _belongs(name: str, scheme: Scheme) -> bool:
    return name in scheme.needs or name in scheme.takes or name.startswith(scheme.prefix)
