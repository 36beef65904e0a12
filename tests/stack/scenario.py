# SPDX-License-Identifier: Apache-2.0
"""What the scenario tests have in common: one video, told apart from the others' by its prompt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_api import Run
    from airflow_stack import AirflowStack


@dataclass(frozen=True)
class Scenario:
    """
    One video on a running stack.

    :param prompt: Of this scenario alone, by which its rows in the books are found.
    """

    stack: AirflowStack
    prompt: str

    @property
    def file(self) -> Path:
        return self.stack.videos / f"{self.prompt.rpartition(' ')[2]}.mp4"

    def run(self, dag_id: str, *, output_path: str | None = None) -> Run:
        return self.stack.api.run(dag_id, prompt=self.prompt, output_path=output_path or str(self.file))

    def faults(self, *rules: dict[str, Any]) -> None:
        """Set what goes wrong for this video."""
        self.stack.sandbox.faults(*({"match": self.prompt, **rule} for rule in rules))

    def hold(self) -> None:
        """Let the gateway answer no poll of this video until further notice, as in an outage."""
        self.faults({"on": "poll", "status": 502, "times": None})

    def release(self) -> None:
        self.stack.sandbox.faults()

    def bought(self) -> list[dict[str, Any]]:
        return self.stack.sandbox.bought(self.prompt)

    def assert_delivered(self, run: Run, *, bought: int = 1) -> dict[str, Any]:
        """Hold the task's result and its file against the books, and return the books' last row."""
        rows = self.bought()
        assert len(rows) == bought, run.log()
        result = run.xcom()
        assert result["generation_id"] == rows[-1]["id"] == run.xcom("generation_id")
        assert result["status"] == "finished"
        assert hashlib.sha256(self.file.read_bytes()).hexdigest() == rows[-1]["file"]["sha256"]
        assert result["sha256"] == rows[-1]["file"]["sha256"]
        assert leftovers(self.file.parent) == []
        return rows[-1]


def leftovers(folder: Path) -> list[str]:
    """Return what lies in a folder beside videos: parts of a download, for one."""
    return sorted(str(each) for each in folder.rglob("*") if each.suffix != ".mp4" and each.is_file())
