"""Identifiers and categories that are personal data: replaced by pseudonyms that still join."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_rerank import Event, History, Item, Reranker
from edge_rerank.history.aliases import ALIAS_NOTE
from edge_rerank.privacy.kinds import Kind
from edge_rerank.privacy.scrub import Scrubber

KEY = bytes(range(32))
PERSONAL = {
    "jane.doe@example.com": Kind.EMAIL,
    "mailto:jane@example.com": Kind.EMAIL,
    "user/ｊａｎｅ＠example.com/photo": Kind.EMAIL,
    "+49 171 1234567": Kind.PHONE,
    "tel:+8613812345678": Kind.PHONE,
    "13812345678": Kind.PHONE,
    "DE89370400440532013000": Kind.IBAN,
    "4111 1111 1111 1111": Kind.PAYMENT_CARD,
    "11010519491231002X": Kind.NATIONAL_ID,
    "192.168.0.77": Kind.IP_ADDRESS,
    "2001:db8::8a2e:370:7334": Kind.IP_ADDRESS,
    "ghp_" + "a8F3k29dKq0ZbV7x1mNc" * 2: Kind.ACCESS_TOKEN,
}
CATALOGUE = (
    "B00X4WHP5E",
    "4006381333931",
    "00012345600012",
    "9783161484100",
    "4155552671",
    "100012043978",
    "1469598103934665603",
    "secret-garden-illustrated-edition-2024",
    "sk-ultra-comfort-sneaker-2024-black",
    "@nike",
    "c++",
    "lodash@4.17.21",
    "Film > Action > 1990s",
    "a1:b2:c3",
    "1.2.3",
    "vase+flowers",
)


@pytest.mark.parametrize("name", PERSONAL)
def test_a_personal_identifier_is_told(name: str) -> None:
    assert Scrubber().kind_of_name(name) is PERSONAL[name]
    assert Scrubber(keep=Kind).kind_of_name(name) is None


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_catalogue_number_is_left_alone(name: str) -> None:
    assert Scrubber().kind_of_name(name) is None


def catalogue_ids(rng: random.Random) -> Iterator[str]:
    """Identifiers as shops make them, of ten forms."""
    while True:
        yield str(uuid.UUID(int=rng.getrandbits(128)))
        yield f"{rng.getrandbits(128):032x}"
        yield f"{rng.getrandbits(96):024x}"
        yield str(rng.randrange(10**9, 10**10))
        yield str(rng.randrange(10**12))
        yield str(rng.getrandbits(63))
        yield "".join(rng.choices(string.ascii_letters + string.digits + "_-", k=11))
        yield "".join(rng.choices(string.ascii_uppercase + string.digits, k=10))
        yield f"40{rng.randrange(10**11):011}"
        yield f"{rng.choice('ABC')}-{rng.randrange(10**6)}:{rng.choice('sml')}+{rng.randrange(9)}"


def test_at_most_one_catalogue_identifier_in_200_is_taken_for_personal_data() -> None:
    names = catalogue_ids(random.Random(16))
    changed = [
        name for name, _ in zip(names, range(20_000), strict=False) if Scrubber().kind_of_name(name)
    ]
    assert len(changed) <= 100, changed[:20]


def stored(history: History) -> tuple[Event, ...]:
    return history.all_events("u")


def test_identifiers_and_categories_are_replaced_before_sealing(tmp_path: Path) -> None:
    with History.open(tmp_path / "h.db", KEY) as history:
        history.consent("u", True)
        item = Item(
            "jane@example.com",
            "a portrait",
            ["people", "by bob@example.com"],
            fields={"by": "+49 171 1234567"},
        )
        event = Event("click", item, id="click jane@example.com", ranking="for jane@example.com")
        assert history.record(event, user="u") == 1
        assert history.record(event, user="u") == 0, "the same event is still a duplicate"
        told = history.access("u").to_json()
        for events in (stored(history), history.events("u")):
            assert events[0].item is not None
            assert dict(events[0].item.fields) == {}
            assert events[0].item.categories[0] == "people"
    for personal in ("jane", "bob@", "171 1234567"):
        assert personal not in told


def test_two_identifiers_never_become_one_and_one_stays_one(tmp_path: Path) -> None:
    addresses = [f"p{n}@example.com" for n in range(200)]
    for _ in range(2):
        with History.open(tmp_path / "h.db", KEY) as history:
            history.consent("u", True)
            history.record([Event("click", Item(one)) for one in addresses], user="u")
    with History.open(tmp_path / "h.db", KEY) as history:
        kept = {event.item.id for event in stored(history) if event.item}
    assert len(kept) == 200
    assert all(Scrubber().kind_of_name(name) is None for name in kept)


def test_the_pseudonym_depends_on_a_key_of_the_store() -> None:
    seen = set()
    for _ in range(2):
        with History.open() as history:
            history.consent("u", True)
            history.record(Event("click", Item("jane@example.com")), user="u")
            seen |= {event.item.id for event in stored(history) if event.item}
    assert len(seen) == 2


def test_a_history_without_personal_identifiers_has_no_key_of_aliases() -> None:
    with History.open() as history:
        history.consent("u", True)
        history.record(Event("click", Item("B00X4WHP5E", "x", ["books"])), user="u")
        assert history._store.read_note(ALIAS_NOTE) is None


def test_nothing_is_written_for_a_person_without_consent() -> None:
    with History.open() as history:
        with pytest.raises(Exception, match="agreed"):
            history.record(Event("click", Item("jane@example.com")), user="u")
        assert history._store.read_note(ALIAS_NOTE) is None


def test_a_kind_that_is_kept_is_kept_in_identifiers_too() -> None:
    with History.open(scrubber=Scrubber(keep=["email"])) as history:
        history.consent("u", True)
        history.record(Event("click", Item("jane@example.com")), user="u")
        assert [event.item.id for event in stored(history) if event.item] == ["jane@example.com"]


def test_an_export_keeps_its_pseudonyms_when_it_is_restored() -> None:
    with History.open() as history, History.open() as other:
        history.consent("u", True)
        other.consent("u", True)
        history.record(Event("click", Item("jane@example.com")), user="u")
        other.restore(history.access("u").to_json(), user="u")
        assert stored(other)[0].item == stored(history)[0].item


@pytest.mark.parametrize("guest", [False, True])
def test_ranking_joins_as_if_the_identifier_had_been_kept(guest: bool) -> None:
    names = ["jane@example.com", "bob@example.com", "eve@example.com", "zoe@example.com"]

    def scores(rename) -> list[tuple[str, float, list[tuple[str, str | None]]]]:
        items = [
            Item(rename(one), f"page {n}", [rename(f"of {one}")]) for n, one in enumerate(names)
        ]
        events = [
            Event("like", items[1], timestamp=1e9),
            Event("dismiss", items[2], timestamp=1e9 + 5),
        ]
        with Reranker.open() as reranker:
            if guest:
                with reranker.guest_session() as session:
                    session.record(events)
                    ranking = session.rank(items, now=1e9 + 10)
            else:
                reranker.consent("u", True)
                reranker.record(events, user="u")
                ranking = reranker.rank(items, "u", now=1e9 + 10)
        place = {rename(one): one for one in names}
        return [
            (
                place[one.item.id],
                one.score,
                [(reason.code, place.get(reason.item_id or "")) for reason in one.reasons],
            )
            for one in ranking
        ]

    assert scores(lambda name: name) == scores(lambda name: name.replace("@example.com", " x"))
