"""The methods that other programs call, whichever way they come: by pipe or by HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Self

import edge_rerank
from edge_rerank._check import check_id
from edge_rerank.errors import InvalidRequest
from edge_rerank.history.history import PERSONALISATION
from edge_rerank.learning.stats_words import StatsWords
from edge_rerank.ranking.candidates import MAX_CANDIDATES
from edge_rerank.ranking.context import locale_of
from edge_rerank.reranker import Reranker
from edge_rerank.serve.answers import Shape, ranking_answer, stats_answer, texts_answer
from edge_rerank.serve.guests import IDLE_S, MAX_GUESTS, Guests
from edge_rerank.serve.known_items import KnownItems
from edge_rerank.serve.refusals import unknown_method
from edge_rerank.serve.wire import (
    MAX_BYTES,
    TEXTS,
    WHOSE,
    TextsCall,
    members_of,
    read_bool,
    read_events,
    read_items,
    read_rank,
    read_texts,
    read_whose,
)
from edge_rerank.texts import RankedTexts


class Service:
    """One reranker, its guest sessions, and what is called on them. Safe from several threads.

    Args:
        reranker: what ranks and remembers; not closed here.
        user: the person where a request names none; nobody if ``None``.
        idle_s: seconds without a call after which a guest session is wiped.
    """

    def __init__(
        self, reranker: Reranker, *, user: str | None = None, idle_s: float = IDLE_S
    ) -> None:
        self._reranker = reranker
        self._user = user
        self._known = KnownItems()
        self._guests = Guests(reranker.guest_session, idle_s=idle_s)
        self._methods: Mapping[str, Callable[[object], Any]] = {
            "rank": self._rank,
            "rank_texts": self._rank_texts,
            "record": self._record,
            "describe": self._describe,
            "consent": self._consent,
            "pause": self._pause,
            "resume": self._resume,
            "profile": self._profile,
            "stats": self._stats,
            "access": self._access,
            "forget": self._forget,
            "guest_open": self._guest_open,
            "guest_close": self._guest_close,
            "warmup": self._warmup,
            "info": self._info,
        }

    def call(self, method: str, params: object) -> Any:
        """Call a method.

        Args:
            method: its name.
            params: its members by name, as JSON gives them.

        Returns:
            What JSON can hold.

        Raises:
            EdgeRerankError: when it fails.
            Refused: when there is no such method, or too many guests are here.
        """
        known = self._methods.get(method)
        if known is None:
            raise unknown_method()
        return known(params)

    def rerank(self, shape: Shape, params: object) -> Any:
        """Rank texts as others ask for it, and answer as they expect.

        Raises:
            EdgeRerankError: as for :meth:`call`.
        """
        call = read_texts(params, self._user, known=shape.members, echo=shape.echo)
        ranked = self._ranked_texts(call)
        return shape.answer(ranked, call.echo, ranked.ranking.pack)

    def close(self) -> None:
        """Wipe the guests. May be called twice."""
        self._guests.close_all()
        self._known.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- ranking ----------------------------------------------------------------------

    def _rank(self, params: object) -> Any:
        if isinstance(params, dict) and not params.keys().isdisjoint(("documents", "texts")):
            return self._rank_texts(params)
        call = read_rank(params, self._user)
        if call.whose.guest is None:
            items = read_items(call.items, self._known)
            ranking = self._reranker.rank(items, call.whose.user, **call.options)
        else:
            with self._guests.use(call.whose.guest) as visitor:
                items = read_items(call.items, visitor.known)
                ranking = visitor.session.rank(items, **call.options)
        return ranking_answer(ranking, items, call)

    def _rank_texts(self, params: object) -> Any:
        call = read_texts(params, self._user, known=TEXTS)
        return texts_answer(self._ranked_texts(call), call.echo)

    def _ranked_texts(self, call: TextsCall) -> RankedTexts:
        if call.whose.guest is None:
            return self._reranker.rank_texts(
                call.query, call.documents, call.whose.user, **call.options
            )
        with self._guests.use(call.whose.guest) as visitor:
            return visitor.session.rank_texts(call.query, call.documents, **call.options)

    def _warmup(self, params: object) -> Any:
        given = members_of(params, ("items",))
        self._reranker.warmup(read_items(given.get("items", []), self._known))
        return {}

    # -- people -----------------------------------------------------------------------

    def _record(self, params: object) -> Any:
        given = members_of(params, (*WHOSE, "event", "events"))
        whose = read_whose(given, self._user)
        if whose.guest is None:
            events = read_events(given, self._known.get)
            user = _named(whose.user)
            self._known.add(event.item for event in events if event.item is not None)
            return {"recorded": self._reranker.record(events, user=user)}
        with self._guests.use(whose.guest) as visitor:
            known = visitor.known
            events = read_events(given, lambda name: known.get(name) or self._known.get(name))
            known.add(event.item for event in events if event.item is not None)
            return {"recorded": visitor.session.record(events)}

    def _describe(self, params: object) -> Any:
        given = members_of(params, (*WHOSE, "attributes"))
        attributes: Any = given.get("attributes")
        whose = read_whose(given, self._user)
        if whose.guest is None:
            self._reranker.describe(_named(whose.user), attributes)
        else:
            with self._guests.use(whose.guest) as visitor:
                visitor.session.describe(attributes)
        return {}

    def _consent(self, params: object) -> Any:
        given = members_of(params, (*WHOSE, "granted", "purpose"))
        if "granted" not in given:
            raise InvalidRequest("granted: expected a bool, got none")
        granted = read_bool(given, "granted", False)
        purpose = given.get("purpose", PERSONALISATION)
        whose = read_whose(given, self._user)
        if whose.guest is None:
            self._reranker.consent(_named(whose.user), granted, purpose)
        else:
            with self._guests.use(whose.guest) as visitor:
                visitor.session.consent(granted, purpose)
        return {}

    def _pause(self, params: object) -> Any:
        self._reranker.history.pause(self._only_user(params))
        return {}

    def _resume(self, params: object) -> Any:
        self._reranker.history.resume(self._only_user(params))
        return {}

    def _profile(self, params: object) -> Any:
        whose = read_whose(members_of(params, WHOSE), self._user)
        if whose.guest is None:
            return json.loads(self._reranker.profile(_named(whose.user)).to_json())
        with self._guests.use(whose.guest) as visitor:
            return json.loads(visitor.session.profile().to_json())

    def _stats(self, params: object) -> Any:
        given = members_of(params, (*WHOSE, "locale"))
        words = StatsWords.of(locale_of(given.get("locale")))
        whose = read_whose(given, self._user)
        if whose.guest is None:
            return stats_answer(self._reranker.stats(_named(whose.user)), words)
        with self._guests.use(whose.guest) as visitor:
            return stats_answer(visitor.session.stats(), words)

    def _access(self, params: object) -> Any:
        return json.loads(self._reranker.history.access(self._only_user(params)).to_json())

    def _forget(self, params: object) -> Any:
        user = self._only_user(params)
        try:
            return json.loads(self._reranker.forget(user).to_json())
        finally:
            self._known.clear()

    def _only_user(self, params: object) -> str:
        return _named(read_whose(members_of(params, ("user",)), self._user).user)

    # -- guests, and the server itself ------------------------------------------------

    def _guest_open(self, params: object) -> Any:
        members_of(params, ())
        return {"guest": self._guests.open(), "idle_s": self._guests.idle_s}

    def _guest_close(self, params: object) -> Any:
        guest = members_of(params, ("guest",)).get("guest")
        self._guests.close(check_id(guest, "guest", InvalidRequest))
        return {}

    def _info(self, params: object) -> Any:
        members_of(params, ())
        pack = self._reranker.engine.pack
        return {
            "name": "edge-rerank",
            "version": edge_rerank.__version__,
            "pack": {
                "name": pack.manifest.name,
                "release": pack.manifest.release,
                "digest": pack.digest,
            },
            "limits": {
                "items": MAX_CANDIDATES,
                "bytes": MAX_BYTES,
                "guests": MAX_GUESTS,
            },
        }


def _named(user: str | None) -> str:
    if user is None:
        raise InvalidRequest("user: expected whose history is meant, got none")
    return user
