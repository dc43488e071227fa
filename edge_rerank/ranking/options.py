"""Options of a call of ``rank()``, as every door takes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from edge_rerank._check import check_text
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.attributes import Value
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.ranking.list_rules import Exposure


class Repeats(StrEnum):
    """How items are treated that the person has chosen before (repeat consumption).

    Attributes:
        NEVER: they stand behind all others.
        FRESH: having been chosen never raises their scores, and lowers them for a while after a
            purchase, completion or rating.
        LEARN: they gain as often as the person comes back to things, and to this one.
    """

    NEVER = "never"
    FRESH = "fresh"
    LEARN = "learn"


class ListOptions(TypedDict, total=False):
    """The keyword arguments of every ``rank_texts()``: see :class:`RankOptions`."""

    top_k: int | None
    diversity: float
    host_order: bool
    budget_ms: float | None
    now: float | datetime | None
    repeats: Repeats | str | None
    context: Mapping[str, Value | None] | None
    surface: str | None
    locale: str | None
    policy: ListPolicy | None
    exposures: Mapping[str, Exposure] | None
    shown: bool


class RankOptions(ListOptions, total=False):
    """The keyword arguments of every ``rank()``.

    Attributes:
        query: what the person asked for just now; not recorded.
        top_k: how many to return, all if ``None``.
        diversity: 0 to 1, strength of maximal marginal relevance within the first 100 places.
        host_order: whether the order of the items is the host's own ranking and is to be
            blended in; an item's ``score`` says more and always is.
        budget_ms: milliseconds after which a scorer, and ``diversity``, are to stop; the ranking
            is then marked as degraded. No limit if ``None``; the encoder always runs.
        now: UTC seconds, or a datetime with a time zone; the clock if ``None``.
        repeats: how items are treated that the person has chosen before, "never", "fresh" or
            "learn", see :class:`Repeats`; as the reranker was opened if ``None``. With a query
            "learn" is as "fresh".
        context: circumstances of the call, at most 16: strings of 1 to 128 characters or numbers
            by names of 1 to 64 of ``A-Z a-z 0-9 . _ -``, as ``{"hour": 20, "device": "kiosk"}``.
            ``hour`` goes from 0 to 23, ``weekday`` from 0 (Monday) to 6, ``month`` from 1 to 12.
            Not recorded; what a person chooses in which of them is learnt on the device.
        surface: which of your lists this is, as "home": a name like those. Statistics and
            :class:`edge_rerank.HostGuard` tell surfaces apart; it is no evidence in a score.
        locale: language that the ranking's forms tell reasons in, a BCP 47 tag, as "zh"; we have
            English, which it is if ``None``, and Chinese. See :class:`edge_rerank.Words`.
        policy: rules for the list, in place of those that the reranker was opened with, see
            :class:`edge_rerank.ListPolicy`; those if ``None``.
        exposures: impressions of items so far, by item id, for rules of the policy that count them:
            :class:`edge_rerank.Fatigue`, :class:`edge_rerank.Rotate`; recorded impressions if
            ``None``.
        shown: ``False`` for a list that the person does not get to see, as one that is printed or
            made ahead: it does not count in ``stats()``, and nothing is learnt from it.
    """

    query: str | None


def repeats_of(value: object) -> Repeats:
    """How things had before are treated; "learn" where it is ``None``.

    Raises:
        InvalidRequest: when it is no name of one.
    """
    if value is None:
        return Repeats.LEARN
    wanted = f"one of {', '.join(Repeats)}, or None"
    try:
        return Repeats(check_text(value, "repeats", InvalidRequest, wanted=wanted))
    except ValueError:
        raise InvalidRequest(f"repeats: expected {wanted}; got another") from None


def completed(options: RankOptions, *, repeats: Repeats, policy: ListPolicy) -> RankOptions:
    """The options of a call, with what was said when the reranker was opened where it says nothing.

    Args:
        options: of the call.
        repeats: in place of its own.
        policy: likewise.
    """
    made: RankOptions = {**options}
    if made.get("repeats") is None:
        made["repeats"] = repeats
    if made.get("policy") is None:
        made["policy"] = policy
    return made
