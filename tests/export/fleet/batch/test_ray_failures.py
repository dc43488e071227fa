"""What comes of it where Ray does not start, or ends on the way: an error of ours. Needs no Ray."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rerank import BatchRanker, Item
from edge_rerank_export.errors import WorkerLost

pytest.importorskip("pyarrow")

from edge_rerank_export.fleet.batch import on_ray
from edge_rerank_export.fleet.batch.job import Job
from edge_rerank_export.fleet.batch.parts import Parts, Source


class RayError(Exception):
    """As Ray's own."""


class Ray:
    """As much of Ray as is called before it fails."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, *, starts: bool) -> None:
        self.starts = starts
        self.shut_down = False
        self.data = SimpleNamespace(
            DataContext=SimpleNamespace(get_current=SimpleNamespace),
            checkpoint=SimpleNamespace(CheckpointConfig=dict),
            read_parquet=self.read_parquet,
        )

    def init(self, **options: Any) -> None:
        if not self.starts:
            raise Exception("timed out during startup")  # noqa: TRY002 - as Ray does

    def read_parquet(self, files: list[str]) -> Any:
        raise RayError("the agent at tea and coffee died")

    def shutdown(self) -> None:
        self.shut_down = True


@pytest.mark.parametrize(("starts", "told"), [(False, "did not start"), (True, "--resume goes on")])
def test_where_ray_fails_there_is_an_error_of_ours(
    starts: bool, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = Ray(starts=starts)
    monkeypatch.setattr(on_ray, "_ray", lambda: ray)
    job = Job(Source((), 0, ()), Parts(tmp_path, {}), BatchRanker([Item("a", "tea")]), rows=10)
    with pytest.raises(WorkerLost, match=told) as raised:
        on_ray.rank_on_ray(job, workers=1, update=lambda done, count: None)
    assert "tea" not in str(raised.value)
    assert ray.shut_down is starts
