"""The bench beside peers, on scorers of two layers and without the peers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import transformers
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, LlamaFileType

from edge_rerank.inference.prompt import Prompt
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.specs import Scoring
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.studies import peers
from edge_rerank_export.studies.peers import PeerReport, Shape, as_svg, compare, llama, measure
from edge_rerank_export.studies.peers.gguf_layers import first_layers
from edge_rerank_export.studies.peers.minilm import copy_tokenizer
from edge_rerank_export.studies.peers.ours import layers_of
from tests.inference.tiny import make_pack

TRIAL = llama._TRIAL

SHORT, LONG = Shape(3, 24), Shape(3, 200)


@pytest.fixture(scope="module", params=[Scoring.LIKELIHOOD, Scoring.HEAD])
def pack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    return Pack.open(make_pack(folder, scoring=request.param))


class Recorder:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.ranked: list[str] = []

    def read(self, history: Sequence[str]) -> None:
        """Nothing is kept."""

    def meet(self, candidates: Sequence[str]) -> None:
        """Nothing is kept."""

    def rank(self, candidates: Sequence[str]) -> None:
        """Keep ``candidates``."""
        self.ranked += candidates


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(measure, "_peers", lambda *_: {"recorder": lambda: recorder})
    return recorder


def head(pack: Pack) -> bool:
    assert pack.manifest.scorer is not None
    return pack.manifest.scorer.scoring is Scoring.HEAD


def test_rows_are_named_by_the_manifest_and_differ(pack: Pack, recorder: Recorder) -> None:
    report = compare(pack, quick=True, shapes=[SHORT])
    # A head computes nothing ahead, so that items known and never seen are one row.
    unseen = [] if head(pack) else ["edge-rerank, items never seen"]
    assert [one.contender for one in report.timings] == [
        "edge-rerank, tiny int7",
        *unseen,
        "the same model, history repeated",
        "recorder",
    ]
    assert all(one.runs == measure.QUICK_ROUNDS for one in report.timings)
    assert all(one.loaded_ms is None for one in report.timings)


def test_a_loaded_run_stands_beside_the_quiet_one(
    pack: Pack, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [False]

    @contextmanager
    def burning() -> Iterator[None]:
        there[0] = True
        yield
        there[0] = False

    class Sleeper(Recorder):
        def rank(self, candidates: Sequence[str]) -> None:
            super().rank(candidates)
            time.sleep(0.05 if there[0] else 0.02)

    sleeper = Sleeper()
    monkeypatch.setattr(measure, "neighbour", burning)
    monkeypatch.setattr(measure, "_peers", lambda *_: {"sleeper": lambda: sleeper})
    report = compare(pack, quick=True, loaded=True, shapes=[SHORT])
    *ours, asleep = report.timings
    assert all(one.processor_ms and one.loaded_ms for one in ours)
    assert asleep.median_ms is not None
    assert asleep.loaded_ms is not None
    assert asleep.processor_ms is not None
    assert 20 <= asleep.median_ms < asleep.loaded_ms
    # What sleeps takes nothing of the processor.
    assert asleep.processor_ms < 10
    # Nobody is asked the same twice in rounds that count: the first of either is not.
    assert len(set(sleeper.ranked)) == (2 * measure.QUICK_ROUNDS + 1) * SHORT.candidates


def test_a_candidate_has_twelve_tokens_with_the_line_break_a_head_reads(
    pack: Pack, recorder: Recorder
) -> None:
    compare(pack, quick=True, shapes=[SHORT])
    assert recorder.ranked
    words = {len(text.split()) for text in recorder.ranked}
    assert words == {11 if head(pack) else 12}


def test_what_the_pack_cannot_read_is_skipped_with_the_reason(
    pack: Pack, recorder: Recorder
) -> None:
    report = compare(pack, quick=True, shapes=[LONG, SHORT])
    assert report.shapes == (SHORT,)
    (reason,) = report.skipped
    assert reason.startswith(LONG.label)
    assert "at most 60 tokens" in reason
    assert reason in as_svg(report)
    assert json.loads(report.to_json())["skipped"] == [reason]


def test_no_shape_fits(pack: Pack, recorder: Recorder) -> None:
    report = compare(pack, quick=True, shapes=[LONG])
    assert report.timings == ()
    assert len(report.skipped) == 1
    assert report.skipped[0] in as_svg(report)


def test_llama_cpp_runs_only_weights_it_has_a_file_of(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "_peers", measure._llama)
    report = compare(pack, quick=True, shapes=[SHORT])
    last = report.timings[-1]
    assert (last.contender, last.median_ms) == ("llama.cpp", None)
    assert "GGUF" in last.note


@pytest.mark.parametrize("plain", [False, True])
def test_llama_cpp_gets_as_many_layers_and_asks_what_the_pack_asks(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plain: bool
) -> None:
    make_gguf(tmp_path / "model.gguf", layers=3)
    original = measure.read_recipe(measure.find_recipe("smollm2")).source
    source = replace(pack.manifest.source, sha256=original.sha256)
    named = replace(pack, manifest=replace(pack.manifest, source=source))
    monkeypatch.setattr(measure, "_weights", lambda *_: tmp_path)
    monkeypatch.setattr(measure, "crashes", lambda _: plain)
    spec = named.manifest.scorer
    assert spec is not None
    names = list(measure._llama(named, Prompt(spec, named.read(spec.tokenizer)), tmp_path))
    name = f"llama.cpp{' without AMX' if plain else ''}, 2 layers F16"
    likelihood = [] if head(pack) else [f"{name}, likelihood"]
    assert names == [*likelihood, f"{name}, last token"]
    assert layers_of(named) == 2


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import os; os.abort()", True),
        ("raise SystemExit(1)", False),  # an error is for the contender itself to say
        ("pass", False),
    ],
)
def test_a_crash_of_llama_cpp_is_seen_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, expected: bool
) -> None:
    (tmp_path / "llama_cpp.py").write_text(f"class Llama:\n    def __init__(*_, **__): {body}\n")
    monkeypatch.setattr(
        llama, "_TRIAL", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + TRIAL
    )
    monkeypatch.setattr(llama, "optional", lambda *_: None)
    assert llama.crashes(tmp_path / "model.gguf") is expected


def make_gguf(path: Path, *, layers: int) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_token_list(["a", "b"])
    for name in ("token_embd.weight", *(f"blk.{n}.ffn_up.weight" for n in range(layers))):
        size = len(name)
        writer.add_tensor(name, np.arange(2 * size, dtype=np.float16).reshape(2, size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_is_cut_to_its_first_layers(tmp_path: Path) -> None:
    # Of twelve layers, so that blk.1 and blk.11 must be told apart.
    make_gguf(tmp_path / "whole.gguf", layers=12)
    name, path = first_layers(tmp_path / "whole.gguf", 2, tmp_path / "cut.gguf")
    assert name == "2 layers F16"
    whole, cut = GGUFReader(tmp_path / "whole.gguf"), GGUFReader(path)
    kept = ["token_embd.weight", "blk.0.ffn_up.weight", "blk.1.ffn_up.weight"]
    assert [tensor.name for tensor in cut.tensors] == kept
    for before, after in zip(whole.tensors, cut.tensors, strict=False):
        assert after.tensor_type == GGMLQuantizationType.F16
        assert np.array_equal(before.data, after.data)
    assert cut.fields["llama.block_count"].contents() == 2
    assert cut.fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]


def test_a_gguf_file_of_few_layers_is_taken_as_it_is(tmp_path: Path) -> None:
    make_gguf(tmp_path / "whole.gguf", layers=2)
    assert first_layers(tmp_path / "whole.gguf", 2, tmp_path / "cut.gguf") == (
        "2 layers F16",
        tmp_path / "whole.gguf",
    )
    assert not (tmp_path / "cut.gguf").exists()


def test_a_report_knows_its_shapes() -> None:
    timings = [
        measure.Timing("a", one.candidates, one.history_tokens, 1.0, 1)
        for one in (LONG, LONG, SHORT)
    ]
    assert PeerReport(2, tuple(timings)).shapes == (LONG, SHORT)


def test_a_plot_has_room_for_the_longest_name() -> None:
    short, long = (
        as_svg(PeerReport(2, (measure.Timing("x" * length, 20, 200, 5.0, 1),)))
        for length in (10, 60)
    )
    # Names end where bars begin, so they may begin no further left than the edge.
    for svg, length in ((short, 10), (long, 60)):
        bar = re.search(r'<rect x="(\d+)"', svg)
        assert bar is not None
        assert int(bar[1]) - 8 >= 7 * length


def test_the_encoders_limit_of_tokens_is_not_the_cross_encoders(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    source = transformers.BertTokenizerFast(
        str(tmp_path / "vocab.txt"), model_max_length=512, max_length=128
    )
    source.save_pretrained(tmp_path / "encoder")
    copy_tokenizer(tmp_path / "encoder", tmp_path / "copy")
    before, after = (
        json.loads((tmp_path / name / "tokenizer_config.json").read_text())
        for name in ("encoder", "copy")
    )
    assert before["max_length"] == 128
    assert "max_length" not in after
    assert after["model_max_length"] == 512


def test_the_shortest_bar_can_be_seen() -> None:
    timings = [measure.Timing(f"peer {ms}", 20, 200, ms, 1) for ms in (100.0, 103.0, 2000.0)]
    bars = re.findall(r'<rect x="\d+" y="\d+" width="([\d.]+)"', as_svg(PeerReport(2, (*timings,))))
    assert len(bars) == 3
    assert float(bars[0]) > 20


def test_peers_are_shown_with_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = PeerReport(
        2,
        (
            measure.Timing("ours", 20, 200, 50.0, 5, "", 40.0, 60.0),
            measure.Timing("slow", 20, 200, 500.0, 5, "", 1000.0, 1250.0),
            measure.Timing("absent", 20, 200, None, 0, "not installed: pip install absent"),
        ),
        ("50 candidates: skipped, too long",),
    )
    monkeypatch.setattr(
        peers, "compare", lambda *_, loaded, **__: report if loaded else plain(report)
    )
    plot = tmp_path / "peers.svg"
    monkeypatch.setenv("COLUMNS", "120")
    called = ["peers", "--pack", str(shipped_pack()), "--loaded", "--plot", str(plot)]
    assert main(called) == 0
    table = capsys.readouterr().out
    row = next(line for line in table.splitlines() if "slow" in line)
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells == ["slow", "500 ms", "10.0 ×", "1,000 ms", "25.0 ×", "1,250 ms", "2.5 ×", "5"]
    assert "not installed" in table
    assert table.rstrip().endswith("50 candidates: skipped, too long")
    assert "not installed: pip install absent" in plot.read_text(encoding="utf-8")
    assert main(["peers", "--pack", str(shipped_pack()), "--json", "--loaded"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{report.to_json()}\n"
    assert "25.0 ×" in said.err
    assert main(["peers", "--pack", str(shipped_pack())]) == 0
    assert "loaded" not in capsys.readouterr().out


def plain(report: PeerReport) -> PeerReport:
    """The report of a run without the neighbour."""
    timings = tuple(replace(one, loaded_ms=None) for one in report.timings)
    return replace(report, timings=timings)


def test_peers_need_a_pack_with_a_scorer(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["peers"])
    assert caught.value.code == EXIT_USAGE
    assert "--pack" in capsys.readouterr().err
    assert main(["peers", "--pack", str(shipped_pack())]) == EXIT_USAGE
    assert "no scorer" in capsys.readouterr().err
