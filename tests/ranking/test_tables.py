"""Ranking with tables of the host's own log, beside any pack whose history model reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from edge_rerank import Event, Item, RankingEngine, ReasonCode, Reranker, Runtime, Tables, Trust
from edge_rerank.errors import (
    ClosedError,
    InvalidRequest,
    PackError,
    PackUnsupported,
    PackUntrusted,
)
from edge_rerank.packs.manifest import MANIFEST_NAME, SIGNATURE_NAME
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.signals.table import Table
from edge_rerank.ranking.sources.history_model import HistoryModel
from edge_rerank.tables.counts import count_items
from edge_rerank.tables.folder import write_tables
from edge_rerank.tables.pairs import count_pairs
from tests.packs import hostile
from tests.packs.hostile import KEY, PUBLIC_KEY

NAMES = [f"item-{number}" for number in range(12)]
ITEMS = [Item(name, f"thing number {number}") for number, name in enumerate(NAMES)]
HISTORY = [Event("like", ITEMS[0], timestamp=1.7e9)]


def pairs(other: int) -> Table:
    """Forty people chose the first item and this one, a hundred something else."""
    together = [np.array([0, other])] * 40
    elsewhere = [np.array([row, row % 10 + 1]) for row in range(1, 11) for _ in range(10)]
    return count_pairs(NAMES, together + elsewhere).table


def counts(other: int) -> Table:
    rows = np.array([other] * 50 + list(range(12)))
    return count_items(NAMES, rows, 1.7e9 - np.arange(len(rows), dtype=np.float64), [])


def write(folder: Path, **tables: Table) -> Tables:
    counted = {"people": 1, "choices": 1, "items": 1}
    return write_tables(folder, tables, name="shop", made=1, counted=counted, settings={})


@pytest.fixture(scope="module")
def engine() -> Iterator[RankingEngine]:
    with RankingEngine.open(runtime=Runtime(threads=1)) as opened:
        yield opened


def place(engine: RankingEngine, number: int) -> int:
    ranking = engine.rank(ITEMS[1:], history=HISTORY, now=1.7e9 + 60)
    return [one.item.id for one in ranking].index(NAMES[number])


def test_what_is_chosen_together_goes_up_and_says_so(engine: RankingEngine, tmp_path: Path) -> None:
    for other in (5, 11):
        tables = write(tmp_path, together=pairs(other))
        assert engine.refresh_tables(tables) == ("together",)
        ranking = engine.rank(ITEMS[1:], history=HISTORY, now=1.7e9 + 60)
        assert ranking[0].item.id == NAMES[other]
        assert ReasonCode.TOGETHER in {reason.code for reason in ranking[0].reasons}


def test_a_path_or_open_ones_and_what_is_missing_is_the_packs_own(
    engine: RankingEngine, tmp_path: Path
) -> None:
    own = HistoryModel(Pack.open(shipped_pack())).tables
    both = write(tmp_path, together=pairs(7), record=counts(7))
    with RankingEngine.open(tables=tmp_path) as opened:
        assert set(opened.tables) == {*own, "together", "record"}
        assert opened.refresh_tables(both) == ("record", "together")
        assert place(opened, 7) == 0
        write(tmp_path, record=counts(3))
        assert place(opened, 7) == 0  # what it has read stays
        assert opened.refresh_tables(str(tmp_path)) == ("record",)
        assert set(opened.tables) == {*own, "record"}
    with RankingEngine.open(tables=both) as opened:
        assert place(opened, 7) == 0


def test_tables_that_the_model_does_not_read(engine: RankingEngine, tmp_path: Path) -> None:
    engine.refresh_tables(write(tmp_path / "first", together=pairs(5)))
    names = engine.tables
    # One that it reads is enough, and the other is left out.
    assert engine.refresh_tables(
        write(tmp_path / "second", together=pairs(4), unheard=counts(4))
    ) == ("together",)
    with pytest.raises(PackUnsupported, match=r"reads .*together.*, got none of these"):
        engine.refresh_tables(write(tmp_path / "third", unheard=counts(4)))
    assert engine.tables == names
    assert place(engine, 4) == 0


def test_a_table_of_another_kind_is_refused_and_the_old_ones_stay(
    engine: RankingEngine, tmp_path: Path
) -> None:
    engine.refresh_tables(write(tmp_path / "first", together=pairs(6)))
    for wrong in (tmp_path / "nowhere", write(tmp_path / "wrong", together=counts(5))):
        with pytest.raises(PackError):
            engine.refresh_tables(wrong)
        with pytest.raises(PackError):
            RankingEngine.open(tables=wrong)
    with pytest.raises(InvalidRequest):
        engine.refresh_tables(7)  # type: ignore[arg-type]
    assert place(engine, 6) == 0


def test_a_pack_without_a_history_model_reads_none(tmp_path: Path) -> None:
    pack = hostile.write(tmp_path / "pack")
    tables = write(tmp_path / "tables", together=pairs(5))
    with pytest.raises(PackUnsupported, match="no history encoder"):
        RankingEngine.open(pack, tables=tables)
    with RankingEngine.open(pack) as opened:
        assert opened.tables == ()
        with pytest.raises(PackUnsupported, match="no history encoder"):
            opened.refresh_tables(tables)
    with pytest.raises(ClosedError):
        opened.refresh_tables(tables)


def test_trusted_keys_are_demanded_of_tables_too(tmp_path: Path) -> None:
    tables = write(tmp_path, together=pairs(5))
    trust = Trust([PUBLIC_KEY])
    for untrusted in (tmp_path, tables):
        with pytest.raises(PackError):
            Reranker.open(trust=trust, tables=untrusted)
    with pytest.raises(PackUntrusted, match="opened with the trusted keys"):
        RankingEngine.open(trust=trust, tables=tables)
    (tmp_path / SIGNATURE_NAME).write_bytes(KEY.sign((tmp_path / MANIFEST_NAME).read_bytes()))
    with Reranker.open(trust=trust, tables=tmp_path) as reranker:
        assert "together" in reranker.engine.tables
        assert reranker.refresh_tables(Tables.open(tmp_path, trust=trust)) == ("together",)
        with pytest.raises(PackUntrusted):
            reranker.refresh_tables(tables)


def test_a_call_that_goes_on_while_tables_change_is_whole(
    engine: RankingEngine, tmp_path: Path
) -> None:
    """Each ranking is by the old tables or by the new ones, which have other rows."""
    few = count_pairs(NAMES[:6], [np.array([0, 5])] * 40).table
    kinds = [write(tmp_path / "few", together=few), write(tmp_path / "all", together=pairs(11))]
    firsts: set[str] = set()
    failures: list[BaseException] = []

    def rank() -> None:
        try:
            for _ in range(60):
                firsts.add(engine.rank(ITEMS[1:], history=HISTORY)[0].item.id)
        except BaseException as error:
            failures.append(error)

    engine.refresh_tables(kinds[0])
    threads = [Thread(target=rank) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for kind in kinds:
            engine.refresh_tables(kind)
    assert not failures
    assert firsts == {NAMES[5], NAMES[11]}
