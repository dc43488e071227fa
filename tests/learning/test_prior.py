"""Priors of a fleet: what a head that begins with one knows, and how a device takes it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from edge_rerank import Event, Item, ReasonCode, Reranker, Trust
from edge_rerank.errors import PackInvalid, PackUnsupported, PackUntrusted
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.prior import MOST_MEAN, PRECISIONS, Prior
from edge_rerank.packs.array_files import write_array
from edge_rerank.packs.manifest import FileEntry, Manifest, Source
from edge_rerank.packs.specs import PriorSpec
from tests.learning.test_head import LAYOUT, WIDTH, lesson, taught

ITEMS = [Item(f"i{n}", text, ["kind", name], popularity=n) for n, (text, name) in enumerate(
    [("tomato soup", "soup"), ("apple pie", "cake"), ("lentil stew", "stew"), ("plum cake", "cake")]
)]  # fmt: skip


def prior(seed: int = 3, width: int = WIDTH) -> Prior:
    rng = np.random.default_rng(seed)
    return Prior.of(rng.normal(0, 0.3, width), rng.uniform(5, 40, width))


def test_a_blank_head_begins_with_the_prior_and_still_says_nothing_of_the_person() -> None:
    begun = replace(LAYOUT, start=prior())
    head = Head.blank(begun)
    assert not head.weights.any()
    assert (np.diag(head.precision) == prior().precision).all()
    assert begun.mark == LAYOUT.mark
    assert begun != LAYOUT


def test_a_prior_of_the_usual_numbers_learns_as_none_does() -> None:
    usual = Prior.of(np.zeros(WIDTH), LAYOUT.prior())
    heads = [
        taught(Head.blank(layout), np.random.default_rng(1), lists=20, taste=1.0)
        for layout in (LAYOUT, replace(LAYOUT, start=usual))
    ]
    assert (heads[0].mean == heads[1].mean).all()
    assert (heads[0].precision == heads[1].precision).all()


def test_a_head_is_kept_with_its_prior() -> None:
    layout = replace(LAYOUT, start=prior())
    head = taught(Head.blank(layout), np.random.default_rng(1), lists=5, taste=1.0)
    again = Head.from_bytes(head.to_bytes(), layout)
    assert again is not None
    assert again.to_bytes() == head.to_bytes()
    assert again.layout == layout


def test_without_a_prior_the_bytes_are_as_they_were() -> None:
    head = taught(Head.blank(LAYOUT), np.random.default_rng(1), lists=5, taste=1.0)
    raw = head.to_bytes()
    assert raw[0] == 1
    assert len(raw) == 67 + 4 * (WIDTH + WIDTH * (WIDTH + 1) // 2)


@pytest.mark.parametrize("after", [None, prior(9)])
def test_another_prior_leaves_what_is_known_of_the_person(after: Prior | None) -> None:
    """Bayes' rule: what the lists said, times the new prior."""
    old = replace(LAYOUT, start=prior())
    head = taught(Head.blank(old), np.random.default_rng(1), lists=30, taste=1.0)
    new = replace(LAYOUT, start=after)
    moved = Head.from_bytes(head.to_bytes(), new)
    assert moved is not None
    assert (moved.layout, moved.lists, moved.trust) == (new, head.lists, head.trust)
    said = head.precision - np.diag(old.prior())
    began = (start(old), start(new))
    pull = head.precision @ (head.mean + began[0]) - old.prior() * began[0]
    whole = np.linalg.solve(said + np.diag(new.prior()), pull + new.prior() * began[1])
    assert moved.mean + began[1] == pytest.approx(whole, abs=1e-5)
    back = moved.begun_at(old)
    assert back.mean == pytest.approx(head.mean, abs=1e-5)


def start(layout: Layout) -> NDArray[np.float64]:
    return np.zeros(WIDTH) if layout.start is None else layout.start.mean.astype(np.float64)


@pytest.mark.parametrize("cut", [1, 8, 8 * WIDTH - 4])
def test_a_head_whose_prior_is_cut_is_no_head(cut: int) -> None:
    layout = replace(LAYOUT, start=prior())
    raw = Head.blank(layout).to_bytes()
    assert Head.from_bytes(raw[:-cut], layout) is None
    assert Head.from_bytes(raw[: -8 * WIDTH] + b"\xff" * 8 * WIDTH, layout) is None


@pytest.mark.parametrize(
    ("mean", "precision"),
    [
        (np.nan, 10.0),
        (MOST_MEAN * 1.01, 10.0),
        (0.0, PRECISIONS[0] * 0.9),
        (0.0, PRECISIONS[1] * 1.1),
        (0.0, np.inf),
    ],
)
def test_a_prior_out_of_bounds_is_none(mean: float, precision: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        Prior.of(np.full(4, mean), np.full(4, precision))


def test_the_list_that_is_learnt_from_is_the_same_with_and_without() -> None:
    """A prior is part of what everything else says: a lesson's features do not know of it."""
    rng = np.random.default_rng(0)
    one = lesson(rng)
    head = Head.blank(replace(LAYOUT, start=prior())).learn(one)
    assert np.isfinite(head.mean).all()
    assert head.lists == 1


# -- taken by a device like any release -----------------------------------------------


def write_prior(
    folder: Path, layout: Layout, numbers: NDArray[np.float32], *, release: int = 1,
    key: Ed25519PrivateKey | None = None, mark: str | None = None,
) -> Path:  # fmt: skip
    folder.mkdir()
    raw = write_array(numbers)
    (folder / "prior.npy").write_bytes(raw)
    manifest = Manifest(
        name="fleet",
        release=release,
        licence="Apache-2.0",
        source=Source("fleet:test", "1", "0" * 64),
        files=(FileEntry("prior.npy", len(raw), sha256(raw).hexdigest()),),
        prior=PriorSpec("prior.npy", layout.mark.hex() if mark is None else mark),
    ).to_json()
    (folder / "manifest.json").write_bytes(manifest)
    if key is not None:
        (folder / "manifest.sig").write_bytes(key.sign(manifest))
    return folder


@pytest.fixture(scope="module")
def layout() -> Layout:
    with Reranker.open("shipped") as plain:
        return plain.engine.layout


def popular(layout: Layout, weight: float = 3.0) -> NDArray[np.float32]:
    """A prior by which one column of evidence counts much more."""
    mean = np.zeros(layout.width)
    mean[layout.columns.index("learned-popularity")] = weight
    return np.array([mean, layout.prior()], dtype=np.float32)


def scores(reranker: Reranker, user: str | None) -> dict[str, float]:
    return {one.item.id: one.score for one in reranker.rank(ITEMS, user, now=1e9)}


def test_a_prior_orders_the_first_list_of_who_agreed_and_nobody_elses(
    tmp_path: Path, layout: Layout
) -> None:
    pack = write_prior(tmp_path / "fleet", layout, popular(layout))
    with Reranker.open("shipped") as plain, Reranker.open(["shipped", pack]) as begun:
        for one in (plain, begun):
            one.consent("ada", True)
        assert scores(plain, "ada") != scores(begun, "ada")
        assert scores(plain, None) == scores(begun, None)
        assert scores(plain, "unknown") == scores(begun, "unknown")


def test_no_prior_says_of_itself_that_the_person_taught_it(tmp_path: Path, layout: Layout) -> None:
    pack = write_prior(tmp_path / "fleet", layout, popular(layout))
    with Reranker.open(["shipped", pack]) as begun:
        begun.consent("ada", True)
        codes = {why.code for one in begun.rank(ITEMS, "ada", now=1e9) for why in one.reasons}
        assert ReasonCode.LEARNT not in codes


def test_a_prior_of_zeros_changes_no_score(tmp_path: Path, layout: Layout) -> None:
    pack = write_prior(tmp_path / "fleet", layout, popular(layout, 0.0))
    with Reranker.open("shipped") as plain, Reranker.open(["shipped", pack]) as begun:
        for one in (plain, begun):
            one.consent("ada", True)
            ranking = one.rank(ITEMS, "ada", now=1e9)
            one.record(
                Event("click", ITEMS[1], timestamp=1e9 + 9, ranking=ranking.id, dwell_s=60),
                user="ada",
            )
        assert scores(plain, "ada") == pytest.approx(scores(begun, "ada"), abs=1e-6)


def test_a_prior_of_other_heads_is_refused(tmp_path: Path, layout: Layout) -> None:
    pack = write_prior(tmp_path / "fleet", layout, popular(layout), mark="0" * 32)
    with pytest.raises(PackUnsupported, match="prior: expected one of heads of"):
        Reranker.open(["shipped", pack])


@pytest.mark.parametrize("numbers", [np.zeros((2, 3)), np.full((2, 84), np.nan)])
def test_numbers_that_are_no_prior_are_refused(
    tmp_path: Path, layout: Layout, numbers: NDArray[np.float64]
) -> None:
    wide = numbers[:, : layout.width].astype(np.float32)
    pack = write_prior(tmp_path / "fleet", layout, wide)
    with pytest.raises(PackInvalid, match="prior: expected"):
        Reranker.open(["shipped", pack])


def test_a_prior_is_signed_and_never_rolled_back(tmp_path: Path, layout: Layout) -> None:
    key = Ed25519PrivateKey.generate()
    trust = Trust([key.public_key().public_bytes_raw()])
    old, new, foreign, bare = (
        write_prior(tmp_path / name, layout, popular(layout), release=release, key=signer)
        for name, release, signer in (
            ("old", 1, key), ("new", 2, key), ("foreign", 3, Ed25519PrivateKey.generate()),
            ("bare", 3, None),
        )
    )  # fmt: skip
    kept: dict[str, object] = {"history": tmp_path / "history.db", "key": bytes(range(32))}
    Reranker.open(["shipped", new], trust=trust, **kept).close()  # type: ignore[arg-type]
    for other in (old, foreign, bare):
        with pytest.raises((PackUntrusted, PackInvalid)):
            Reranker.open(["shipped", other], trust=trust, **kept)  # type: ignore[arg-type]


def test_a_prior_is_a_pack_of_its_own(layout: Layout) -> None:
    entry = FileEntry("prior.npy", 8, "0" * 64)
    alone = Manifest(
        name="fleet", release=1, licence="x", source=Source("fleet:x", "1", "0" * 64),
        files=(entry,), prior=PriorSpec("prior.npy", layout.mark.hex()),
    )  # fmt: skip
    assert b'"format": 3' in alone.to_json()
    assert Manifest.from_json(alone.to_json()) == alone
    beside = replace(alone, files=(entry, FileEntry("more.npy", 8, "0" * 64)))
    with pytest.raises(PackInvalid, match="a pack of its own"):
        Manifest.from_json(beside.to_json())
