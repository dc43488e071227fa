"""Names of columns and members: which of them says whose an event is, what, and of which item.

Files are written by many programs: ``User ID`` means ``user``, and whoever reads a file may say
what else means what, see :class:`~edge_rerank.formats.layout.FileLayout`. What only looks like a
person's identifier, such as ``customer_no``, is neither read as one nor passed over: an event must
not become another person's because a name was not the expected one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from edge_rerank.formats.events import EVENT_MEMBERS

USER = "user"

LOG_NAMES = (*EVENT_MEMBERS, USER, "text", "categories")
"""What a line of a log may say."""

ITEM_NAMES = ("id", "text", "categories", "popularity", "score", "published")
"""What a line of a table of items may say."""

ALIASES = {"time": "timestamp", "title": "text", "category": "categories", "rating": "value"}
"""Other words for ours, where somebody says what a file's names mean."""

Named = tuple[tuple[str, tuple[str, ...]], ...]
"""Our names, each with the file's for it: what somebody said, see ``FileLayout.named``."""


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """What the names of a kind of file may mean.

    Attributes:
        known: our names.
        meant: ours by others, written without blanks, dashes and capitals.
        people: whether a name that looks like a person's identifier is refused where none is one.
    """

    known: tuple[str, ...]
    meant: Mapping[str, str]
    people: bool


LOG = Vocabulary(
    LOG_NAMES,
    {
        **{name.replace("_", ""): name for name in LOG_NAMES},
        **{"userid": USER, "itemid": "item", "eventtype": "type"},
        **dict.fromkeys(("time", "date", "datetime"), "timestamp"),
    },
    people=True,
)
ITEMS = Vocabulary(
    ITEM_NAMES,
    {
        **{name: name for name in ITEM_NAMES},
        **dict.fromkeys(("item", "itemid"), "id"),
        **dict.fromkeys(("title", "name"), "text"),
        **dict.fromkeys(("category", "genres", "genre", "tags"), "categories"),
    },
    people=False,
)

_PEOPLE = frozenset(
    {
        *("user", "username", "uid", "customer", "visitor", "person", "subscriber", "shopper"),
        *("buyer", "email", "mail", "nutzer", "benutzer", "kunde", "kunden", "besucher"),
        *("utilisateur", "usuario", "cliente"),
    }
)
_PEOPLE_BY_NUMBER = _PEOPLE | {
    *("client", "member", "account", "reader", "student", "learner", "player", "guest", "device"),
    *("cookie", "anonymous", "distinct", "profile", "login", "mitglied"),
}
"""Words for people where "id" or the like follows; alone they often say something else."""

_NUMBERED = "id|ids|uid|uuid|guid|key|no|nr|num|number|nummer|name|hash|code|ref|pseudo|kennung"
_CHINESE_PERSON = re.compile(
    "(用户|会员|客户|顾客|买家|学员|读者|账号|帐号|账户)(id|uid|编号|号|名|名称|标识|账号|帐号)?"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")


@dataclass(frozen=True, slots=True)
class Members:
    """What the names of a record mean.

    Attributes:
        theirs: for each of our names those that stand for it in the record, one as a rule.
        renamed: whether any of them is another than ours.
        suspect: the word by which a name looks like a person's identifier where none is one,
            ``None`` where there is no such name.
        missing: our names for which somebody named a column that is not there.
    """

    theirs: Mapping[str, tuple[str, ...]]
    renamed: bool
    suspect: str | None
    missing: tuple[str, ...]


def members_of(names: tuple[str, ...], vocabulary: Vocabulary = LOG, named: Named = ()) -> Members:
    """What these names mean: what was said first, then ours, then what resembles one of ours."""
    find = _known_members if len(names) <= _FEW else _members
    return find(names, vocabulary, named)


_FEW = 64
"""Names whose meaning is remembered: those of the lines of one log are few and the same."""


def _members(names: tuple[str, ...], vocabulary: Vocabulary, named: Named) -> Members:
    said = {ours: [_found(one, names) for one in theirs] for ours, theirs in named}
    claimed = {one for found in said.values() for one in found if one is not None}
    theirs = {
        ours: tuple(one for one in found if one is not None)
        for ours, found in said.items()
        if any(one is not None for one in found)
    }
    free = [name for name in names if name not in claimed]
    for name in free:
        if name in vocabulary.known and name not in said:
            theirs[name] = (name,)
    for name in free:
        meant = vocabulary.meant.get(_plain(name))
        if meant is not None and meant not in said:
            theirs.setdefault(meant, (name,))
    suspect = None
    if vocabulary.people and USER not in theirs and USER not in said:
        suspect = next(filter(None, map(_person_in, names)), None)
    return Members(
        MappingProxyType(theirs),
        any(found != (ours,) for ours, found in theirs.items()),
        suspect,
        tuple(ours for ours, found in said.items() if None in found),
    )


_known_members = lru_cache(maxsize=256)(_members)


def _found(wanted: str, names: Sequence[str]) -> str | None:
    """The name that was said, as it is written or but for capitals, blanks and dashes."""
    if wanted in names:
        return wanted
    return next((name for name in names if _plain(name) == _plain(wanted)), None)


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-\ufeff]", "", name).casefold()


def not_called_user(what: str, word: str) -> str:
    """Why a record with a suspect name is refused; ``what`` is "member" or "column"."""
    reason = f"user: expected a {what} of that name, got one that looks like it ({word})"
    return f"{reason}: rename it, or map it to user"


def _person_in(name: str) -> str | None:
    """The word for a person in the name of an identifier, ``None`` where there is none."""
    found = _CHINESE_PERSON.fullmatch(re.sub(r"[\s_\-]", "", name).casefold())
    if found:
        return str(found[1])
    words = [word.casefold() for word in _WORDS.findall(name)]
    numbered = False
    while len(words) > 1 and re.fullmatch(_NUMBERED, words[-1]):
        words.pop()
        numbered = True
    if not words:
        return None
    if words[-1] in (_PEOPLE_BY_NUMBER if numbered else _PEOPLE):
        return str(words[-1])
    stem = str(re.sub(f"({_NUMBERED})$", "", words[-1]))
    return stem if stem != words[-1] and stem in _PEOPLE_BY_NUMBER else None
