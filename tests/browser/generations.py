# SPDX-License-Identifier: Apache-2.0
"""The generations that the browser looks at, made by Airflow through the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_api import Run
    from airflow_stack import AirflowStack

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
RENDERING = "A lighthouse in a storm, waves break over the rocks"
BROKEN = "A glass castle that nobody can build"
REFUSED = "Something that moderation does not like"
FAULTS = (
    # The gateway says nothing of it until a test lets it.
    {"on": "poll", "match": RENDERING, "status": 502, "times": None},
    {"on": "submit", "match": BROKEN, "fail": {"name": "render_error", "message": "out of <b>memory</b>"}},
    {"on": "submit", "match": REFUSED, "moderation": True},
)


@dataclass(frozen=True)
class Generations:
    """
    One run each.

    :param finished: Its video is saved.
    :param hostile: Likewise, of a prompt that is HTML.
    :param picture: Likewise, made from a picture.
    :param clips: Three in one run, through Segmind; saved.
    :param rendering: Deferred, until :meth:`release`.
    :param failed: The vendor could not make it.
    :param refused: Moderation did not let it pass.
    """

    airflow: AirflowStack
    finished: Run
    hostile: Run
    picture: Run
    clips: Run
    rendering: Run
    failed: Run
    refused: Run

    @classmethod
    def make(cls, airflow: AirflowStack) -> Generations:
        airflow.sandbox.faults(*FAULTS)

        def film(prompt: str, file: str | None, **conf: Any) -> Run:
            path = {"output_path": f"{airflow.videos}/{file}"} if file else {}
            return airflow.api.run("launch_film", prompt=prompt, **path, **conf)

        made = cls(
            airflow,
            finished=film("A dragon appears above the tallest mountain", "dragon.mp4"),
            rendering=film(RENDERING, "lighthouse.mp4"),
            failed=film(BROKEN, "castle.mp4"),
            refused=film(REFUSED, None, pixverse_conn_id="pixverse_pixverse"),
            hostile=film(HOSTILE, "hostile.mp4", aspect_ratio="1:1"),
            picture=airflow.api.run("picture_comes_alive", output_path=f"{airflow.videos}/snow.mp4"),
            clips=airflow.api.run(
                "product_clips", pixverse_conn_id="pixverse_segmind", clips=_clips(airflow)
            ),
        )
        for run in (made.finished, made.hostile, made.picture, made.clips):
            assert run.await_end() == "success", run.log()
        for run in (made.failed, made.refused):
            assert run.await_end() == "failed", run.log()
        made.rendering.await_state("deferred")
        return made

    def release(self) -> None:
        """Let the video that is being made be finished."""
        self.airflow.sandbox.faults()


def _clips(airflow: AirflowStack) -> list[dict[str, str]]:
    products = {"shoe": "A red running shoe", "bottle": "A steel water bottle", "bag": "A leather backpack"}
    return [
        {
            "prompt": f"{name} turns slowly on a marble table, soft light",
            "aspect_ratio": ratio,
            "output_path": f"{airflow.videos}/{file}.mp4",
        }
        for (file, name), ratio in zip(products.items(), ("16:9", "1:1", "9:16"), strict=True)
    ]
