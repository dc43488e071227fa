"""The runtime's small graphs give what a model trained here gives, whatever its weights are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edge_rerank.ranking.sources.history_graphs import SmallGraphs
from edge_rerank_export.train.history.model import HistoryModel, export_onnx


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [0.3, 1.0])
def test_a_model_of_any_weights_is_run_in_small_graphs(
    tmp_path: Path, seed: int, size: float
) -> None:
    torch.manual_seed(seed)
    model = HistoryModel().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(size * torch.randn_like(weight))  # no two alike: those would be one
    export_onnx(model, tmp_path / "history.onnx")

    def judged(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            given = [torch.from_numpy(arrays[name])[None] for name in model.inputs]
            return model(*given)[0].double().numpy()  # type: ignore[no-any-return]

    assert SmallGraphs.of((tmp_path / "history.onnx").read_bytes(), judged) is not None
