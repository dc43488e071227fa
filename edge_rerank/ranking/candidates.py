"""Candidates as rows and as columns: what a ranking reads of many items at once.

A column is made when it is first asked for. Of items that are ranked once that is in the call; of
a :class:`Catalogue` columns stay, and a part of it takes its rows of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any, Self, TypeVar, overload
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_id, check_sequence
from edge_rerank._lazy import cached_property
from edge_rerank.errors import InvalidRequest
from edge_rerank.inference.encoders.cache import text_keys
from edge_rerank.learning.coverage import Offer, hashed
from edge_rerank.ranking.signals.categories import CategoryLists
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank.types import Item

MAX_CANDIDATES = 10_000

_T = TypeVar("_T", bound=np.generic)
_V = TypeVar("_V")

NOBODY = -1
"""Row of an id that is no candidate."""


def mark(name: str) -> int:
    """A number of 64 bits for an id, another in each process: Python's own, with a secret key."""
    return hash(name)


class RowFinder:
    """Rows of items by their ids. It holds ids alone.

    Args:
        rows: by id.
    """

    def __init__(self, rows: Mapping[str, int]) -> None:
        self._rows = rows

    def row(self, name: str) -> int:
        """Row of an id, :data:`NOBODY` for what is not among them."""
        return self._rows.get(name, NOBODY)

    def rows(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Rows of ids, intp of shape (names,), likewise."""
        find = self._rows.get
        return np.array([find(name, NOBODY) for name in names], dtype=np.intp)


class Candidates(Sequence[Item]):
    """Items that are ranked, each id once. Safe from several threads; never changed.

    Args:
        items: n of them.

    Attributes:
        find: rows by id.
        kept: whether columns outlive the call, so that a part takes its rows of them.

    Raises:
        InvalidRequest: when an id comes twice.
    """

    kept = False

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = tuple(items)
        self.find = RowFinder(_each_once(self._items))
        self._begin(None, np.zeros(0, dtype=np.intp))

    def part(self, rows: NDArray[np.intp]) -> Self:
        """Some of them, in the order of ``rows``, intp of shape (m,), each once."""
        part = object.__new__(type(self))
        part._items = tuple(map(self._items.__getitem__, rows.tolist()))
        part.find = RowFinder({item.id: row for row, item in enumerate(part._items)})
        part._begin(self, rows)
        return part

    def same_as(self, others: Sequence[Item]) -> bool:
        """Whether these are the very same objects in the same order."""
        if others is self:
            return True
        return len(others) == len(self) and all(map(is_, others, self._items))

    def _begin(self, whole: Candidates | None, rows: NDArray[np.intp]) -> None:
        self._whole, self._rows = whole, rows
        self._columns: dict[str, NDArray[Any]] = {}
        self._derived: WeakKeyDictionary[Any, NDArray[Any]] = WeakKeyDictionary()
        self._together: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, row: int) -> Item: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, row: int | slice) -> Item | tuple[Item, ...]:
        return self._items[row]

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __repr__(self) -> str:
        """How many they are: a repr ends up in logs."""
        return f"<{type(self).__name__} of {len(self)} items>"

    @property
    def items(self) -> tuple[Item, ...]:
        """All of them, in their order."""
        return self._items

    @property
    def popularity(self) -> NDArray[np.float64]:
        """Float64 of shape (n,); NaN where unknown."""
        return self._column("popularity", lambda own: _numbers([item.popularity for item in own]))

    @property
    def scores(self) -> NDArray[np.float64]:
        """The host's own, float64 of shape (n,); NaN where it gave none."""
        return self._column("scores", lambda own: _numbers([item.score for item in own]))

    @property
    def published(self) -> NDArray[np.float64]:
        """UTC seconds, float64 of shape (n,); NaN where unknown."""
        return self._column("published", lambda own: _numbers([item.published for item in own]))

    @property
    def keys(self) -> NDArray[np.uint64]:
        """By which tables know the items, uint64 of shape (n,): hashed once for all."""
        return self._column("keys", lambda own: item_keys(item.id for item in own))

    @property
    def marks(self) -> NDArray[np.int64]:
        """By which this process knows the items, int64 of shape (n,), see :func:`mark`."""
        return self._column("marks", lambda own: np.array([mark(one.id) for one in own], np.int64))

    @property
    def carrying(self) -> NDArray[np.bool_]:
        """Which items carry a vector of the host's, bool of shape (n,)."""
        return self._column(
            "carrying", lambda own: _flags([item.vector is not None for item in own])
        )

    def carried(self, part: str) -> NDArray[np.bool_]:
        """Which items have an ``image`` or ``audio``, bool of shape (n,)."""
        return self._column(
            part, lambda own: _flags([getattr(item, part) is not None for item in own])
        )

    @property
    def whole(self) -> Candidates:
        """The catalogue that they are a part of; themselves, where there is none."""
        whole = self._whole
        return self if whole is None or not whole.kept else whole.whole

    @property
    def told(self) -> NDArray[np.bool_]:
        """Which items have a text that is not blank, bool of shape (n,)."""
        return self._column("told", lambda own: _flags([bool(item.text.strip()) for item in own]))

    @property
    def ascii(self) -> NDArray[np.bool_]:
        """Which items have no text but in ASCII, bool of shape (n,)."""
        return self._column("ascii", lambda own: _flags([item.text.isascii() for item in own]))

    @cached_property
    def categories(self) -> CategoryLists:
        """The different lists of categories, and which each item has."""
        whole = self._whole
        if whole is not None and whole.kept:
            return whole.categories.part(self._rows)
        return CategoryLists.of([item.categories for item in self._items])

    @cached_property
    def offer(self) -> Offer:
        """What they are of what is shown, for statistics."""
        ids = self._column("hashed", lambda own: hashed(item.id for item in own))
        return Offer.of(ids, hashed(self.categories.different))

    @cached_property
    def texts(self) -> list[str]:
        """What the language model reads of each."""
        return [item.text for item in self._items]

    @cached_property
    def text_keys(self) -> list[bytes]:
        """By which caches know the texts."""
        return text_keys(self.texts)

    def derived(self, owner: object, make: Callable[[Candidates], NDArray[_T]]) -> NDArray[_T]:
        """An array with a row for each item, made once for an owner.

        Args:
            owner: whose it is; it goes when the owner does.
            make: makes it, of shape (n, ...), each row of its item alone; or, of more items than
                are ranked at once, something that gives such arrays of some rows.
        """
        found = self._derived.get(owner)
        if found is None:
            found = self._made(make, lambda whole: whole.derived(owner, make))
            self._derived[owner] = found
        return found

    def together(self, owner: object, make: Callable[[Candidates], _V]) -> _V:
        """What all of them together come to, made once for an owner: of a part it is another.

        Args:
            owner: whose it is; it goes when the owner does.
            make: makes it, a value.
        """
        found: _V | None = self._together.get(owner)
        if found is None:
            found = self._together[owner] = make(self)
        return found

    def _column(self, name: str, make: Callable[[Candidates], NDArray[_T]]) -> NDArray[_T]:
        found = self._columns.get(name)
        if found is None:
            found = self._made(make, lambda whole: whole._column(name, make))
            self._columns[name] = found
        return found

    def _made(
        self,
        make: Callable[[Candidates], NDArray[_T]],
        taken: Callable[[Candidates], NDArray[_T]],
    ) -> NDArray[_T]:
        whole = self._whole
        array = make(self) if whole is None or not whole.kept else taken(whole)[self._rows]
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
        return array


class Catalogue(Candidates):
    """The host's items with vectors and columns computed once, for many rankings of all or some.

    A sequence of :class:`Item`, made by :meth:`edge_rerank.Reranker.prepare`; to be handed to
    ``rank()`` as it is, if it holds at most 10,000, or a part of it. It holds the items themselves
    and, for each pack that ranked some of it, about 4 KiB an item; nothing of a person.
    """

    kept = True

    def select(self, ids: Iterable[str | int]) -> Self:
        """Some of the items, in the order of ``ids``, with what was computed of them.

        Args:
            ids: identifiers, each once; as they are, or whole numbers for their digits.

        Raises:
            InvalidRequest: when one is no item's, or comes twice.
        """
        wanted = "a sequence of item ids"
        given = check_sequence(ids, "ids", InvalidRequest, wanted=wanted)
        names = [check_id(one, "ids", InvalidRequest) for one in given]
        rows = self.find.rows(names)
        missing = np.count_nonzero(rows == NOBODY)
        if missing:
            raise InvalidRequest(
                f"ids: expected those of the catalogue, got {missing} that are not in it"
            )
        if len(set(names)) < len(names):
            raise InvalidRequest("ids: expected each once, got one twice")
        return self.part(rows)


class LastList:
    """The candidates of the last call: a host that ranks the very same objects again need not wait.

    Holds for the same items in the same order. Safe from several threads.
    """

    def __init__(self) -> None:
        self._last: Candidates | None = None

    def of(self, items: object) -> Candidates:
        """See :func:`candidates_of`; with columns of the call before, where these are its items.

        Raises:
            InvalidRequest: likewise.
        """
        if isinstance(items, Candidates):
            return candidates_of(items)
        last = self._last
        if last is not None and isinstance(items, list | tuple) and last.same_as(items):
            return last
        self._last = found = candidates_of(items)
        return found

    def forget(self, user: str | None = None) -> None:
        """Let go of it, whoever it is about."""
        del user
        self._last = None


def candidates_of(items: object) -> Candidates:
    """``items`` as candidates, read no further than one beyond what a ranking takes.

    Raises:
        InvalidRequest: when they are no sequence of items, too many, or an id comes twice.
    """
    if not isinstance(items, Candidates):
        given = items_of(items, most=MAX_CANDIDATES)
        _check_count(given)
        return Candidates(given)
    _check_count(items)
    return items


def items_of(items: object, *, most: int | None = None) -> list[Item]:
    """``items`` as a list.

    Args:
        items: what came.
        most: how many the caller takes; no more than one beyond are read.

    Raises:
        InvalidRequest: when they are no sequence, and nothing else that gives items in order.
    """
    wanted = "a sequence of Item"
    if isinstance(items, Candidates):
        return list(items)
    given = check_sequence(items, "items", InvalidRequest, wanted=wanted, of=Item, most=most)
    return list(given)


def _check_count(items: Sequence[Item]) -> None:
    if len(items) > MAX_CANDIDATES:
        raise InvalidRequest(
            f"items: expected at most {MAX_CANDIDATES} candidates, got {len(items)}"
        )


def _each_once(items: Sequence[Item]) -> dict[str, int]:
    """Rows of items by id; an id that comes twice is refused.

    Which of the two is meant later on, nobody could say.
    """
    rows = {item.id: row for row, item in enumerate(items)}
    if len(rows) < len(items):
        first: dict[str, int] = {}
        for row, item in enumerate(items):
            known = first.setdefault(item.id, row)
            if known != row:
                both = f"the same at index {known} and {row}"
                raise InvalidRequest(f"items: expected each id once, got {both}")
    return rows


def _numbers(values: list[float | None]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _flags(values: list[bool]) -> NDArray[np.bool_]:
    return np.array(values, dtype=np.bool_)
