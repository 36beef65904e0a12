# SPDX-License-Identifier: Apache-2.0
"""
What a vendor calls things stays in its room: gateways/, catalog.py and sandbox/.

The words are read from code, not from prose: identifiers, and string constants that are no docstrings,
taken apart into words.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import airflow_provider_pixverse

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(airflow_provider_pixverse.__file__).parent
VENDORS_ROOMS = ("gateways", "catalog.py", "sandbox")

WORDS = {
    "fields of submissions": {
        "quality", "motion_mode", "image_url", "tail_image_url", "first_frame_url", "last_frame_url",
        "audio_url", "img_id", "first_frame_img", "last_frame_img", "video_media_id", "audio_media_id",
        "lip_sync_switch", "lip_sync_tts_content", "lip_sync_tts_speaker", "lip_sync_tts_speaker_id",
        "sound_effect_switch", "sound_effect_content", "generate_audio_switch", "generate_multi_clip_switch",
        "thinking_type",
    },
    "fields of answers": {
        "ErrCode", "ErrMsg", "Resp", "request_id", "response_url", "video_id",
        "credits_used", "tokens_used", "usage", "metrics", "inference_id", "client_request_id",
        "generation_url", "request_body", "credits_deduction", "model_status", "model_created",
        "current_balance", "credit_monthly", "credit_package", "free-credits", "file_urls", "data_urls",
        "ImgID", "media_id", "media_type",
    },
    "words for a status": {
        "succeeded", "active", "timed_out", "canceled", "COMPLETED", "PROCESSING", "PENDING",
    },
    "headers": {
        "x-api-key", "API-KEY", "Ai-trace-id", "X-Client-Request-Id", "x-inference-id",
        "x-aimlapi-credits-used", "x-rate-limit-reset-at-utc", "Authorization", "Bearer", "retry-after",
    },
    "paths": {
        "generations", "upload-asset", "request-history", "inference-request", "get-user-credits", "openapi",
        "billing",
    },
    "hosts": {"api.aimlapi.com", "api.segmind.com", "app-api.pixverse.ai", "app-api.pixverseai.cn"},
    "models": {"text-to-video", "pixverse-5-video", "pixverse-v6", "v5-5-text-to-video"},
    "codes": {"500044", "500090", "500063"},
}  # fmt: skip
SHARED = {
    # One of the words for a task, which users read in the result, and part of a vendor's model id too.
    "text-to-video": {"requests.py"},
    # The gallery is a server of its own: its paths, and HTTP's and Starlette's words.
    "generations": {"plugins/gallery_app.py", "plugins/gallery_data.py"},
    "Authorization": {"plugins/gallery_app.py", "redaction.py"},
    "Bearer": {"redaction.py"},
    "x-api-key": {"redaction.py"},
    "API-KEY": {"redaction.py"},
    "media_type": {"plugins/gallery_app.py", "plugins/gallery_video.py"},
}
"""Words that mean something else, or the same to everyone, in the modules named."""


@cache
def modules() -> dict[str, str]:
    """Return the sources by their paths in the package."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(ROOT.rglob("*.py"))}


def belongs_to_vendors(module: str) -> bool:
    return module.split("/")[0] in VENDORS_ROOMS


@cache
def spoken(source: str) -> frozenset[str]:
    """Return the words of a module's code."""
    tree = ast.parse(source)
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    words: set[str] = set()
    for node in ast.walk(tree):
        if id(node) not in prose:
            words.update(_words_of(node))
    return frozenset(words)


def _words_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            # A path is also its parts; a name is a name with its dashes and dots.
            for word in re.findall(r"[\w.-]+", text):
                yield word.strip(".")
        case ast.Constant(value=bool()):
            return
        case ast.Constant(value=int() as number):
            yield str(number)
        case (
            ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str() as name)
        ):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name


@pytest.mark.parametrize("kind", WORDS)
def test_no_other_module_names_what_a_vendor_names(kind: str) -> None:
    """Adding a gateway is one file in gateways/, its rows in the catalogue and one file in sandbox/."""
    found = {
        module: said
        for module, source in modules().items()
        if not belongs_to_vendors(module)
        and (said := {w for w in spoken(source) & WORDS[kind] if module not in SHARED.get(w, ())})
    }
    assert found == {}


@pytest.mark.parametrize("kind", WORDS)
def test_every_word_looked_for_is_a_vendors(kind: str) -> None:
    """A word that no gateway says any more would be looked for in vain."""
    said: set[str] = set()
    for module, source in modules().items():
        if module.startswith("gateways/") or module == "catalog.py":
            said |= spoken(source)
    assert WORDS[kind] - said == set()


def test_no_other_module_asks_which_gateway_it_is() -> None:
    """Where a gateway's name is compared, its contract has leaked."""
    names = {"aimlapi", "segmind"}
    found = {module: spoken(source) & names for module, source in modules().items()}
    found = {module: said for module, said in found.items() if said and not belongs_to_vendors(module)}
    # The connection form lists them to choose from.
    assert found == {"get_provider_info.py": names}


@pytest.mark.parametrize(
    "source",
    [
        'body["quality"] = 1',
        "body.quality",
        "send(quality=1)",
        "def quality(): ...",
        "def send(quality): ...",
        'f"{base}/quality/{x}"',
        'url = "https://host/quality?a=b"',
    ],
)
def test_a_vendors_word_is_found_wherever_it_is_said(source: str) -> None:
    assert "quality" in spoken(source)


@pytest.mark.parametrize(
    "source",
    ['"""Of the best quality."""', 'def f():\n    """Say quality."""', "# quality", 'x = "equality"'],
)
def test_prose_is_not_code(source: str) -> None:
    assert "quality" not in spoken(source)
