"""Ranking by what things look and sound like; without either, nothing changes by a bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank.errors import InvalidItem, InvalidRequest
from edge_rerank.history.vault.codec import encode
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.alignment import LEAST_PAIRS, Alignment
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.media_comparisons import MediaComparer
from edge_rerank.render.words import Words
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.types import Event, Item, ReasonCode
from tests.packs.media_packs import write_media_pack

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (20, 40, 220)}


def painted(colour: str, seed: int) -> NDArray[np.uint8]:
    """A picture of a colour, none like another."""
    noise = np.random.default_rng(seed).integers(-20, 20, size=(20, 24, 3))
    return np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)


def noise(low: bool, seed: int) -> tuple[NDArray[np.float32], int]:
    """A tone, low or high, with a little noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(8_000) / 16_000
    tone = np.sin(2 * np.pi * (220 if low else 3_000) * times) * rng.uniform(0.4, 0.6)
    return (tone + rng.normal(0, 0.01, 8_000)).astype(np.float32).clip(-1, 1), 16_000


def gallery(each: int = 4, **more: Any) -> list[Item]:
    """Pictures without a word, of three colours in turn."""
    return [
        Item(f"{colour}-{at}", image=painted(colour, 10 * at + len(colour)), **more)
        for at in range(each)
        for colour in COLOURS
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media_pack(tmp_path_factory.mktemp("packs") / "media", weight=2.0)


@pytest.fixture
def seeing(folder: Path) -> Iterator[RankingEngine]:
    with RankingEngine.open(folder) as engine:
        yield engine


@pytest.fixture(scope="module")
def plain() -> Iterator[RankingEngine]:
    with RankingEngine.open() as engine:
        yield engine


def liked(*names: str, kind: str = "like") -> list[Event]:
    """Events as a history gives them: ids alone."""
    return [Event(kind, Item(name), timestamp=1e9 + at) for at, name in enumerate(names)]  # type: ignore[arg-type]


def leads(prefix: str, ranking: Ranking) -> bool:
    """Whether one of a kind comes first, and the kind stands above others in the mean."""
    places: dict[bool, list[int]] = {True: [], False: []}
    for one in ranking:
        places[one.item.id.startswith(prefix)].append(one.rank)
    return 1 in places[True] and bool(np.mean(places[True]) < np.mean(places[False]))


def told(ranking: Ranking) -> list[Any]:
    return [
        (one.item.id, one.score, [(r.code, r.weight, r.item_id, r.category) for r in one.reasons])
        for one in ranking
    ]


def test_a_pack_that_sees_completes_the_shipped_one(seeing: RankingEngine, folder: Path) -> None:
    assert seeing.pack.manifest.name == "default"
    with RankingEngine.open([shipped_pack(), folder]) as both:
        assert both.pack.manifest.name == "default"
    other = write_media_pack(folder.parent / "other", name="other")
    with pytest.raises(InvalidRequest, match="image_encoder"):
        RankingEngine.open([folder, other])


def test_what_looks_like_a_choice_leads_and_says_so(seeing: RankingEngine) -> None:
    items = gallery()
    history = liked("red-0", "red-1")
    assert not any(one.reasons for one in seeing.rank(items[6:], history=history))  # never met
    seeing.rank(items)
    ranking = seeing.rank(items[6:], history=history)
    assert {one.item.id for one in ranking[:2]} == {"red-2", "red-3"}
    first = ranking[0].reasons[0]
    assert first.code is ReasonCode.LOOKS
    assert first.weight > 0
    assert first.item_id in {"red-0", "red-1"}
    said = {r.code for one in ranking[2:] for r in one.reasons}
    assert ReasonCode.LOOKS not in said


def test_what_looks_like_something_turned_down_sinks(seeing: RankingEngine) -> None:
    items = gallery()
    seeing.rank(items)
    ranking = seeing.rank(items[3:], history=liked("green-0", kind="dislike"))
    assert {one.item.id for one in ranking[-3:]} == {"green-1", "green-2", "green-3"}
    reason = ranking[-1].reasons[0]
    assert (reason.code, reason.weight < 0, reason.item_id) == (ReasonCode.LOOKS, True, None)


def test_sounds_speak_as_pictures_do(seeing: RankingEngine) -> None:
    items = [
        Item(f"{'low' if low else 'high'}-{at}", audio=noise(low, at))
        for at in range(4)
        for low in (True, False)
    ]
    seeing.warmup(items)
    ranking = seeing.rank(items[2:], history=liked("low-0"))
    assert {one.item.id for one in ranking[:3]} == {"low-1", "low-2", "low-3"}
    assert ranking[0].reasons[0].code is ReasonCode.SOUNDS
    assert ranking[0].reasons[0].item_id == "low-0"


TEXTS = [
    Item(str(at), f"a {colour} {kind}", [kind], popularity=at % 5, score=(at * 7 % 11) / 3)
    for at, (colour, kind) in enumerate(
        (colour, kind)
        for kind in ("lamp", "teapot", "scarf", "tent")
        for colour in ("red", "blue", "green", "striped")
    )
]
HISTORY = [
    Event("click", TEXTS[0], timestamp=1e9, dwell_s=90),
    Event("dislike", TEXTS[5], timestamp=1e9 + 50),
    Event("search", query="striped", timestamp=1e9 + 60),
    Event("purchase", TEXTS[3], timestamp=1e9 + 99),
]


@pytest.mark.parametrize("query", [None, "teapot for two"])
@pytest.mark.parametrize("known", [True, False])
def test_without_pictures_every_bit_is_as_before(
    seeing: RankingEngine, query: str | None, known: bool
) -> None:
    history = HISTORY if known else []
    options: dict[str, Any] = {"query": query, "now": 1e9 + 500, "diversity": 0.2}
    with RankingEngine.open() as plain:  # what is read together is the same to the last bit
        expected = told(plain.rank(TEXTS, history=history, **options))
        prepared = told(plain.rank(plain.prepare(TEXTS), history=history, **options))
    assert told(seeing.rank(TEXTS, history=history, **options)) == expected
    assert told(seeing.rank(seeing.prepare(TEXTS), history=history, **options)) == prepared


def test_pictures_that_nobody_sees_change_no_bit(plain: RankingEngine) -> None:
    pictured = [dataclasses.replace(item, image=painted("red", 1), audio=b"x") for item in TEXTS]
    expected = told(plain.rank(TEXTS, history=HISTORY, now=1e9 + 500))
    assert told(plain.rank(pictured, history=HISTORY, now=1e9 + 500)) == expected
    plain.warmup(pictured)
    assert told(plain.rank(plain.prepare(pictured), history=HISTORY, now=1e9 + 500)) == expected


def test_pictures_of_a_list_say_nothing_where_nothing_chosen_has_one(
    seeing: RankingEngine, plain: RankingEngine
) -> None:
    """Which ones are seen, but compared with nothing."""
    pictured = [
        dataclasses.replace(item, image=painted("red", at)) if at % 2 and at not in {3, 5} else item
        for at, item in enumerate(TEXTS)
    ]
    expected = told(plain.rank(TEXTS, history=HISTORY, now=1e9 + 500))
    assert told(seeing.rank(pictured, history=HISTORY, now=1e9 + 500)) == expected


def test_an_item_without_a_picture_is_neither_lifted_nor_lowered(seeing: RankingEngine) -> None:
    items = gallery()
    seeing.warmup(items)
    bare = Item("bare")
    ranking = seeing.rank([*items[3:], bare], history=liked("red-0"))
    names = [one.item.id for one in ranking]
    assert names[:3] == sorted(names[:3], key=names.index)
    assert {name.split("-")[0] for name in names[:3]} == {"red"}
    assert not any(r.code is ReasonCode.LOOKS for r in ranking[names.index("bare")].reasons)


def test_equal_calls_give_equal_answers(seeing: RankingEngine) -> None:
    items, history = gallery(), liked("blue-1")
    first = told(seeing.rank(items, history=history, now=2e9))
    assert told(seeing.rank(items, history=history, now=2e9)) == first
    again = gallery()
    assert told(seeing.rank(again, history=history, now=2e9)) == first
    assert told(seeing.rank(seeing.prepare(again), history=history, now=2e9)) == first


def test_a_part_of_a_catalogue_knows_what_was_chosen_of_the_rest(seeing: RankingEngine) -> None:
    catalogue = seeing.prepare(gallery())
    part = catalogue.select([f"{colour}-{at}" for colour in COLOURS for at in (2, 3)])
    ranking = seeing.rank(part, history=liked("green-0"))
    assert {one.item.id for one in ranking[:2]} == {"green-2", "green-3"}
    assert ranking[0].reasons[0].item_id == "green-0"


def test_after_a_restart_a_prepared_catalogue_is_known_and_read_from_its_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = tmp_path / "vectors", bytes(range(32))
    where = {"history": tmp_path / "me.db", "key": key}
    catalogue = gallery(text="")
    counted: list[tuple[int, int]] = []
    with Reranker.open(folder, **where) as reranker:  # type: ignore[arg-type]
        reranker.consent("a", True)
        reranker.prepare(
            catalogue, vectors=file, progress=lambda done, of: counted.append((done, of))
        )
        reranker.record(Event("like", catalogue[0]), user="a")
        first = [one.item.id for one in reranker.rank(catalogue[3:], user="a")]
    assert counted[-1][0] == counted[-1][1]
    assert (12, 12) in counted
    raw = (tmp_path / "me.db").read_bytes()
    assert catalogue[0].image.tobytes()[:64] not in raw  # type: ignore[union-attr]
    beside = tmp_path / "vectors.image"
    assert beside.stat().st_mode & 0o077 == 0
    before = beside.read_bytes()
    with Reranker.open(folder, **where) as reranker:  # type: ignore[arg-type]
        seen = reranker.engine._media.looks
        assert seen is not None
        monkeypatch.setattr(seen._reader, "encode", None)
        prepared = reranker.prepare(catalogue, vectors=file)
        part = prepared.select([item.id for item in catalogue[3:]])
        assert [one.item.id for one in reranker.rank(part, user="a")] == first
    assert beside.read_bytes() == before


def test_what_is_recorded_holds_no_picture(folder: Path) -> None:
    with Reranker.open(folder) as reranker:
        reranker.consent("a", True)
        item = Item("x", "a vase", image=painted("red", 1), audio=b"sound")
        reranker.record(Event("click", item), user="a")
        (event,) = reranker.history.events("a")
        assert event.item is not None
        assert (event.item.image, event.item.audio) == (None, None)
        assert event.item.text == "a vase"
    payload, kept = encode(Event("click", item, timestamp=1e9), recorded=1)
    assert kept.item is not None
    assert (kept.item.image, kept.item.audio) == (None, None)
    assert b"sound" not in payload


def test_what_was_met_is_bounded(folder: Path) -> None:
    class Constant:
        dim, name, weight = 4, "constant", 1.0

        def encode(self, things: Sequence[Any], *, progress: object = None) -> NDArray[np.float32]:
            return np.full((len(things), 4), 0.5, np.float32)

        def feed(self, thing: object) -> object:
            return thing

    comparer = MediaComparer(Constant(), "image", cache_items=2)
    comparer._most = 5
    comparer.warm(gallery(each=3))
    assert list(comparer._known) == [item.id for item in gallery(each=3)[4:]]
    comparer.clear()
    assert not comparer._known


def test_one_that_cannot_be_read_is_named_by_its_index(
    seeing: RankingEngine, tmp_path: Path
) -> None:
    pytest.importorskip("PIL")
    items = [*gallery(each=1), Item("private", image=b"private bytes")]
    with pytest.raises(InvalidItem, match="at index 3 of the items with image") as raised:
        seeing.rank(items)
    assert "private" not in str(raised.value)
    items = [*gallery(each=1), Item("private", image=tmp_path / "private.png")]
    with pytest.raises(InvalidItem, match="at index 3") as raised:
        seeing.prepare(items)
    assert "private" not in str(raised.value)


def test_words_for_what_is_alike(seeing: RankingEngine) -> None:
    items = [dataclasses.replace(item, text=f"picture {item.id}") for item in gallery()]
    seeing.warmup(items)
    ranking = seeing.rank(items, history=liked("red-0", "red-1"))
    said = {reason for card in ranking.to_cards() for reason in card.reasons}
    assert any(reason.startswith("looks like picture red-") for reason in said)
    assert Words.of("zh").looks.format(title="x") == "外观像“x”"


def pairs(count: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pictures, and texts that go with them, but for a part of their own."""
    rng = np.random.default_rng(seed)
    mapped = np.random.default_rng(99).normal(size=(16, 12))
    pictures = rng.normal(size=(count, 16))
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    texts = pictures @ mapped + 0.5 * rng.normal(size=(count, 12)) + 1.0
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    return pictures.astype(np.float32), texts.astype(np.float32)


def test_an_alignment_finds_the_text_that_goes_with_a_picture() -> None:
    alignment = Alignment.of(*pairs(600))
    assert alignment is not None
    pictures, texts = pairs(100, seed=1)
    made = alignment.texts(pictures)
    assert made.dtype == np.float32
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    nearest = (made @ texts.T).argsort(axis=1)[:, -10:]
    assert np.mean([at in near for at, near in enumerate(nearest)]) > 0.5
    # As unlike one another as texts are.
    apart = [np.mean(one @ one.T) for one in (made, texts)]
    assert abs(apart[0] - apart[1]) < 0.1
    assert 0.3 < alignment.explained < 1


def test_what_is_explained_is_what_pairs_left_out_say() -> None:
    """Against fits without each pair, one by one."""
    pictures, texts = pairs(LEAST_PAIRS)
    alignment = Alignment.of(pictures, texts)
    assert alignment is not None
    left, right = pictures.astype(np.float64), texts.astype(np.float64)
    centred = left - left.mean(axis=0)
    unit = (centred**2).sum() / 16
    best = np.inf
    for ridge in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0):
        error = 0.0
        for out in range(len(left)):
            keep = np.arange(len(left)) != out
            mean, to = left[keep].mean(axis=0), right[keep].mean(axis=0)
            x, y = left[keep] - mean, right[keep] - to
            fit = np.linalg.solve(x.T @ x + ridge * unit * np.eye(16), x.T @ y)
            error += float(((right[out] - to - (left[out] - mean) @ fit) ** 2).sum())
        best = min(best, error)
    whole = float(((right - right.mean(axis=0)) ** 2).sum())
    assert alignment.explained == pytest.approx(1 - best / whole, abs=2e-3)


def test_no_alignment_where_nothing_is_to_be_learnt() -> None:
    pictures, texts = pairs(LEAST_PAIRS)
    assert Alignment.of(pictures[:-1], texts[:-1]) is None
    assert Alignment.of(pictures, texts[np.random.default_rng(3).permutation(len(texts))]) is None
    assert Alignment.of(pictures, np.repeat(texts[:1], len(texts), axis=0)) is None
    wide = np.random.default_rng(0).normal(size=(LEAST_PAIRS, 700)).astype(np.float32)
    assert Alignment.of(wide, texts) is None


WORDS = {"red": "a ripe tomato salad", "green": "a walk in the woods", "blue": "sailing on the sea"}


def test_in_one_space_pictures_move_from_the_mean_of_theirs_to_that_of_texts() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(50, 16)) + np.eye(16)[0] * 9
    pictures = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    text = np.eye(16, dtype=np.float32)[1] * 0.8
    alignment = Alignment(pictures.mean(axis=0), text, None)
    assert alignment.shared
    again = Alignment.of_means(alignment.to_array())
    assert np.abs(again.picture - alignment.picture).max() < 1e-3
    made = alignment.texts(pictures)
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(50), abs=1e-5)
    # The gap is closed, and each lies in the direction from the mean that it had.
    assert np.linalg.norm(pictures.mean(axis=0) - text) > 1
    assert np.linalg.norm(made.mean(axis=0) - text) < 0.1
    before, after = pictures - alignment.picture, made - text
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    assert (before * after).sum(axis=1) / lengths == pytest.approx(np.ones(50), abs=1e-5)


def mixed(each: int = 75) -> list[Item]:
    """Items that have both, and a few pictures without a word."""
    both = [
        Item(f"told {colour} {at}", f"{WORDS[colour]}, part {at}", image=painted(colour, at))
        for at in range(each)
        for colour in COLOURS
    ]
    return [*both, *gallery(each=3)]


def test_a_catalogue_gives_pictures_without_a_word_vectors_as_texts_have(
    seeing: RankingEngine, plain: RankingEngine, tmp_path: Path
) -> None:
    items = mixed()
    catalogue = seeing.prepare(items, vectors=tmp_path / "v")
    made = catalogue.derived(seeing._comparer, seeing._comparer._vectors_of)
    sides = {c: made[[i.id.startswith(f"told {c}") for i in items]].mean(axis=0) for c in COLOURS}
    for item, vector in zip(items[-9:], made[-9:], strict=True):
        colour = item.id.split("-")[0]
        assert max(sides, key=lambda name: float(sides[name] @ vector)) == colour
    # A choice among the told ones lifts a picture of its kind.
    part = catalogue.select([item.id for item in items[-9:]])
    ranking = seeing.rank(part, history=[Event("like", items[0], timestamp=1e9)])
    assert leads("red-", ranking)
    # The file holds what was read, and not what was made of it.
    again = plain.prepare(items, vectors=tmp_path / "v")
    assert not again.derived(plain._comparer, plain._comparer._vectors_of)[-9:].any()


def test_a_chosen_picture_without_a_word_speaks_for_texts(seeing: RankingEngine) -> None:
    items = mixed()
    catalogue = seeing.prepare(items)
    bare = [item.id for item in items if item.id.startswith("told")][:9]
    ranking = seeing.rank(catalogue.select(bare), history=liked("blue-1"))
    assert leads("told blue", ranking)
