"""What a device adds to a fleet: refused without consent, terms or budget, clipped and sealed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge_rerank import Event, FleetRound, History, Item, Reranker
from edge_rerank.errors import (
    ConsentRequired,
    HistoryCorrupt,
    InvalidRequest,
    NotEnoughRecords,
    PrivacyBudgetSpent,
)
from edge_rerank.history.aggregates import epsilon_left
from edge_rerank.history.budget import (
    DELTA,
    LIFETIME_EPSILON,
    epsilon_of,
    rho_of,
    rho_of_noise,
    spend_round,
    spent,
)
from edge_rerank.history.transfer import open_sealed
from edge_rerank.learning.head import Head
from edge_rerank.learning.share import (
    CLIP,
    LEAST_LISTS,
    SPREAD,
    STRETCH,
    Contribution,
    clipped,
    reads,
    share,
    vector_of,
)
from tests.learning.test_head import LAYOUT, WIDTH, taught
from tests.learning.test_prior import prior

PRIVATE = bytes(range(1, 33))
PUBLIC = X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
KEY = bytes(range(32))
TERMS = FleetRound(1, PUBLIC)


def head(lists: int = 12, seed: int = 1) -> Head:
    return taught(Head.blank(LAYOUT), np.random.default_rng(seed), lists=lists, taste=1.0)


def agreed(history: History, user: str = "ada") -> None:
    history.consent(user, True)
    history.consent(user, True, "fleet")


class Notes:
    """A store's notes in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def read_note(self, name: str) -> bytes | None:
        return self.held.get(name)

    def write_note(self, name: str, content: bytes) -> None:
        self.held[name] = content


# -- the price ------------------------------------------------------------------------


def test_the_price_of_a_round_by_hand() -> None:
    # rho = 1 / (2 * 2^2) = 0.125; at delta 1e-6, ln(1e6) = 13.8155: 0.125 + 2 sqrt(1.72694).
    assert rho_of_noise(2.0) == 0.125
    assert epsilon_of(0.125) == pytest.approx(0.125 + 2 * 1.314131, abs=1e-5)
    assert rho_of(epsilon_of(0.125)) == pytest.approx(0.125)


@pytest.mark.parametrize("noise", [1.0, 2.0, 3.5, 25.0])
@pytest.mark.parametrize("rounds", [1, 20])
def test_no_round_costs_less_than_the_gaussian_mechanism_does(noise: float, rounds: int) -> None:
    """Against the exact delta of Balle and Wang, ICML 2018, theorem 8, for all rounds as one."""
    from statistics import NormalDist

    phi = NormalDist().cdf
    mu = rounds**0.5 / noise
    epsilon = epsilon_of(rounds * rho_of_noise(noise))
    exact = phi(mu / 2 - epsilon / mu) - np.exp(min(epsilon, 500)) * phi(-mu / 2 - epsilon / mu)
    assert exact <= DELTA


def test_the_budget_is_one_for_counts_and_rounds(tmp_path: Path) -> None:
    notes = Notes()
    first = spend_round(notes, 3.5)
    assert first == pytest.approx(LIFETIME_EPSILON - epsilon_of(rho_of_noise(3.5)), abs=1e-5)
    notes.write_note("aggregates", b'{"spent_micro_epsilon": 4000000}')
    assert spent(notes) / 1e6 == pytest.approx(4 + epsilon_of(rho_of_noise(3.5)), abs=1e-5)
    with History.open(tmp_path / "h.db", KEY) as history:
        history._store.write_note("fleet", notes.held["fleet"])
        assert epsilon_left(history._store) == pytest.approx(first, abs=1e-6)
        with pytest.raises(PrivacyBudgetSpent):
            history.release_counts(["a"], epsilon=first + 0.1)


def test_rounds_run_out_and_a_crash_costs() -> None:
    notes, rounds = Notes(), 0
    with pytest.raises(PrivacyBudgetSpent, match="at most 8 for the life of the file"):
        while True:
            spend_round(notes, 3.5)
            rounds += 1
    most = rho_of(LIFETIME_EPSILON) / rho_of_noise(3.5)
    assert rounds == int(most)
    assert spent(notes) <= LIFETIME_EPSILON * 1e6


@pytest.mark.parametrize(
    "note", [b"{}", b"x", b'{"spent_nano_rho": -1}', b'{"spent_nano_rho": "1"}']
)
def test_a_note_that_is_not_ours_is_no_budget(note: bytes) -> None:
    notes = Notes()
    notes.write_note("fleet", note)
    with pytest.raises(HistoryCorrupt):
        spend_round(notes, 3.5)


# -- the terms ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"noise": 0.0}, {"noise": 0.99}, {"noise": None}, {"noise": float("nan")},
        {"clients": 99}, {"number": 0}, {"recipient": b"short"}, {"recipient": bytes(32)},
    ],
)  # fmt: skip
def test_terms_that_promise_too_little_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        replace(TERMS, **change)  # type: ignore[arg-type]
    if "recipient" not in change:
        said = json.loads(TERMS.to_json()) | change
        with pytest.raises(InvalidRequest):
            FleetRound.from_json(json.dumps(said))


def test_terms_travel() -> None:
    assert FleetRound.from_json(TERMS.to_json()) == TERMS
    for text in ("", "[]", "{}", '{"recipient": 1}', "[" * 100_000):
        with pytest.raises(InvalidRequest):
            FleetRound.from_json(text)


# -- the vector -----------------------------------------------------------------------


def test_the_vector_by_hand() -> None:
    blank = Head.blank(LAYOUT)
    assert not vector_of(blank)[:WIDTH].any()
    # Nothing learnt: square 0 and the prior's variance, as expected.
    assert vector_of(blank)[WIDTH:] == pytest.approx(np.zeros(WIDTH), abs=1e-7)
    mean = np.zeros(WIDTH, dtype=np.float32)
    mean[2] = 0.1
    vector = vector_of(replace(blank, mean=mean))
    assert vector[2] == pytest.approx(STRETCH * 0.1)
    # 30 * 0.01 of the prior's variance beside that variance itself.
    assert vector[WIDTH + 2] == pytest.approx(STRETCH * SPREAD * 0.3, rel=1e-4)


def test_a_head_of_few_lists_fills_the_clip() -> None:
    """Noise is made for the longest vector: a shorter one is lost in it."""
    few = head(LEAST_LISTS)
    assert np.linalg.norm(few.mean) < 0.7
    assert np.linalg.norm(vector_of(few)) == pytest.approx(CLIP, rel=1e-5)


@pytest.mark.parametrize("size", [1e-6, 1.0, 3.0, 1e18, 3e38])
def test_no_vector_is_longer_than_the_clip(size: float) -> None:
    rng = np.random.default_rng(0)
    vector = (rng.uniform(-1, 1, 168) * size).astype(np.float32)
    short = clipped(vector)
    length = float(np.linalg.norm(short.astype(np.float64)))
    assert length <= CLIP
    assert length == pytest.approx(min(CLIP, float(np.linalg.norm(vector.astype(float)))), rel=1e-5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_nothing(wrong: float) -> None:
    assert not clipped(np.array([wrong, 1.0])).any()


# -- what leaves ----------------------------------------------------------------------


def test_nothing_leaves_without_consent_to_both(tmp_path: Path) -> None:
    with History.open(tmp_path / "h.db", KEY) as history:
        for purposes in ((), ("personalisation",), ("fleet",)):
            user = f"ada{len(purposes)}{purposes}"
            for purpose in purposes:
                history.consent(user, True, purpose)
            with pytest.raises(ConsentRequired):
                share(history, user, head(), TERMS)
        agreed(history)
        history.consent("ada", False, "fleet")
        with pytest.raises(ConsentRequired):
            share(history, "ada", head(), TERMS)
        assert epsilon_left(history._store) == LIFETIME_EPSILON


def test_who_chose_too_little_contributes_nothing(tmp_path: Path) -> None:
    with History.open(tmp_path / "h.db", KEY) as history:
        agreed(history)
        for few in (None, head(LEAST_LISTS - 1)):
            with pytest.raises(NotEnoughRecords):
                share(history, "ada", few, TERMS)
        assert epsilon_left(history._store) == LIFETIME_EPSILON
        assert share(history, "ada", head(LEAST_LISTS), TERMS)


def test_what_leaves_is_paid_for_and_noted_first(tmp_path: Path) -> None:
    with History.open(tmp_path / "h.db", KEY) as history:
        agreed(history)
        share(history, "ada", head(), TERMS)
        noted = history.audit_log()[-1]
        assert (noted.action, noted.purpose) == ("released", "fleet")
        assert noted.subject is not None
    with History.open(tmp_path / "h.db", KEY) as history:
        left = LIFETIME_EPSILON - epsilon_of(rho_of_noise(TERMS.noise))
        assert epsilon_left(history._store) == pytest.approx(left, abs=1e-5)
        share(history, "ada", head(), replace(TERMS, noise=1.0))
        with pytest.raises(PrivacyBudgetSpent):
            share(history, "ada", head(), replace(TERMS, noise=1.0))


def test_only_the_server_reads_it_and_only_numbers_are_in_it(tmp_path: Path) -> None:
    with History.open(tmp_path / "h.db", KEY) as history:
        agreed(history)
        sealed = share(history, "ada", head(), TERMS)
        other = share(history, "ada", head(200, seed=5), TERMS)
    assert len(sealed) == len(other)
    assert open_sealed(sealed, bytes(range(2, 34))) is None
    raw = open_sealed(sealed, PRIVATE)
    assert raw is not None
    content = Contribution.from_bytes(raw)
    assert content is not None
    assert (content.vector == vector_of(head())).all()
    assert len(raw) == 16 + 1 + 16 + 16 + 4 + 2 + 4 * 2 * WIDTH
    assert reads(content, LAYOUT, 1)
    assert not reads(content, LAYOUT, 2)
    assert not reads(content, replace(LAYOUT, start=prior()), 1)
    assert not reads(content, replace(LAYOUT, digest="b" * 64), 1)
    for cut in (raw[:-1], raw + b"\0", b"", b"x" + raw[1:]):
        assert Contribution.from_bytes(cut) is None


def test_a_reranker_shares_what_it_learnt() -> None:
    items = [Item(f"i{n}", f"thing number {n}", ["kind"]) for n in range(6)]
    with Reranker.open("shipped") as reranker:
        reranker.consent("ada", True)
        reranker.consent("ada", True, "fleet")
        for turn in range(LEAST_LISTS):
            now = 1e9 + 3600 * turn
            ranking = reranker.rank(items, "ada", now=now)
            event = Event(
                "click", items[2], timestamp=now + 5, ranking=ranking.id, dwell_s=90, position=3
            )
            reranker.record(event, user="ada")
        sealed = reranker.share("ada", TERMS)
        raw = open_sealed(sealed, PRIVATE)
        assert raw is not None
        content = Contribution.from_bytes(raw)
        assert content is not None
        assert reads(content, reranker.engine.layout, 1)
        assert content.vector.any()
        with pytest.raises(InvalidRequest, match="terms"):
            reranker.share("ada", TERMS.to_json())  # type: ignore[arg-type]
    with Reranker.open("shipped", learning=False) as reranker:
        reranker.consent("ada", True)
        reranker.consent("ada", True, "fleet")
        with pytest.raises(NotEnoughRecords):
            reranker.share("ada", TERMS)


def test_no_canary_of_events_is_in_what_leaves() -> None:
    canary = "canary-7f3a9c"
    items = [Item(f"{canary}-{n}", f"a {canary} of kind {n}", [canary]) for n in range(5)]
    user = f"person {canary}"
    with Reranker.open("shipped") as reranker:
        for purpose in ("personalisation", "fleet"):
            reranker.consent(user, True, purpose)
        reranker.describe(user, {"region": canary})
        for turn in range(LEAST_LISTS):
            now = 1e9 + 3600 * turn
            ranking = reranker.rank(items, user, now=now, query=canary, context={"place": canary})
            reranker.record(
                [
                    Event("search", query=canary, timestamp=now + 1),
                    Event("click", items[2], timestamp=now + 5, ranking=ranking.id, dwell_s=90),
                ],
                user=user,
            )
        sealed = reranker.share(user, TERMS)
    raw = open_sealed(sealed, PRIVATE)
    assert raw is not None
    for content in (sealed, raw):
        for spelt in (canary, canary[:8], canary.upper()):
            for form in (spelt.encode(), spelt.encode("utf-16-le"), spelt.encode().hex().encode()):
                assert form not in content
