"""What is said of execution providers is what was tried, or what is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rerank.errors import ProviderUnavailable
from edge_rerank.inference import providers
from edge_rerank.inference.providers import Trial, Verdict, assignment, forms, judge
from edge_rerank.inference.session import SHORT_NAMES, Session, available_providers
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.onnx_rules import MICROSOFT
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from tests.packs import hostile as packs
from tests.packs.hostile import graph, model, node, tensor

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
UINT8 = 2


def pack_of(folder: Path, *nodes: bytes) -> Pack:
    """A pack whose model has a few nodes beside those that it needs."""
    weights = tensor("u", [4, 4], UINT8, bytes(16))
    body = graph(nodes=(*packs.NODES, *nodes), tensors=(packs.WEIGHTS, packs.AXES, weights))
    return Pack.open(packs.write(folder, onnx=model(body, domains=("com.microsoft",))))


def contrib(operator: str) -> bytes:
    return node(operator, ["rows", "u"], [f"{operator}.out"], domain="com.microsoft")


INTEGERS = node("MatMulInteger", ["u", "u"], ["sums"])


def verdicts(
    pack: Pack, *, installed: tuple[str, ...] = (), trial: Trial | None = None
) -> dict[str, Verdict]:
    return {one.provider: one for one in judge(pack, installed=installed, trial=trial)}


def test_a_pack_says_which_forms_it_holds() -> None:
    shipped = Pack.open(shipped_pack())
    assert forms(shipped.manifest) == {"encoder": "int8", "history_encoder": "float32"}


def test_the_processor_is_really_tried() -> None:
    found = verdicts(Pack.open(shipped_pack()), installed=available_providers())["cpu"]
    assert found.installed
    assert found.takes
    nodes = int(found.found.removeprefix("runs it, all ").removesuffix(" nodes"))
    assert nodes > 500
    assert not verdicts(Pack.open(shipped_pack()))["cpu"].installed


def test_a_trial_counts_every_node_once() -> None:
    nodes = assignment(Model(model()), CPU)
    assert nodes == {CPU: {"Gather": 1, "ReduceMean": 1}}
    assert Session(model()).assignment() == []


def test_every_provider_with_a_short_name_gets_a_verdict(tmp_path: Path) -> None:
    found = verdicts(pack_of(tmp_path / "p"))
    assert list(found) == list(SHORT_NAMES)
    assert not any(one.installed for one in found.values())
    assert all("not in this onnxruntime" in one.found for one in found.values())
    assert "pip install onnxruntime-gpu" in found["cuda"].found


def test_what_an_installed_provider_leaves_is_named(tmp_path: Path) -> None:
    def trial(_: Model, provider: str) -> dict[str, dict[str, int]]:
        return {provider: {"Add": 7}, CPU: {"MatMulInteger": 4, "Cast": 1}}

    found = verdicts(pack_of(tmp_path / "p"), installed=(CUDA,), trial=trial)["cuda"]
    told = "runs 7 of its 12 nodes, the processor runs 4 MatMulInteger, 1 Cast"
    assert found == Verdict("cuda", True, told, False)

    def all_but_shapes(_: Model, provider: str) -> dict[str, dict[str, int]]:
        return {provider: {"MatMul": 7}, CPU: {"Shape": 4}}

    assert verdicts(pack_of(tmp_path / "q"), installed=(CUDA,), trial=all_but_shapes)["cuda"].takes


def test_a_provider_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    def trial(_: Model, provider: str) -> dict[str, dict[str, int]]:
        raise ProviderUnavailable(f"{provider} could not be initialised")

    found = verdicts(pack_of(tmp_path / "p"), installed=(CUDA,), trial=trial)["cuda"]
    assert found == Verdict("cuda", True, f"cannot run it: {CUDA} could not be initialised", False)


@pytest.mark.parametrize(
    ("nodes", "cuda", "directml"),
    [
        ((), True, True),
        ((contrib("SkipSimplifiedLayerNormalization"), contrib("QuickGelu")), True, True),
        ((contrib("MatMulNBits"),), True, True),
        ((contrib("MatMulIntegerToFloat"),), False, True),
        ((INTEGERS,), False, True),
        ((contrib("SimplifiedLayerNormalization"),), True, True),
    ],
    ids=["plain", "fused", "int4", "int8", "integers", "a norm that stays behind"],
)
def test_what_is_documented_depends_on_the_operators(
    nodes: tuple[bytes, ...], cuda: bool, directml: bool, tmp_path: Path
) -> None:
    found = verdicts(pack_of(tmp_path / "p", *nodes))
    assert (found["cuda"].takes, found["directml"].takes) == (cuda, directml)
    assert found["coreml"].takes is None  # nobody has looked
    if not cuda:
        assert "the processor then runs these" in found["cuda"].found


def test_the_tables_name_operators_that_a_pack_may_have() -> None:
    for table in providers._KERNELS.values():
        assert table <= set(MICROSOFT)
