"""Names of columns and members: which of them says whose an event is, what, and of which item.

Logs are written by many programs: ``User ID`` means ``user``. What only looks like a person's
identifier, such as ``customer_no``, is neither read as one nor passed over: an event must not
become another person's because a name was not the expected one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from edge_rerank.formats.events import EVENT_MEMBERS

USER = "user"

_KNOWN = (*EVENT_MEMBERS, USER, "text", "categories")
_MEANT = {
    **{name.replace("_", ""): name for name in _KNOWN},
    "userid": USER,
    "itemid": "item",
    "eventtype": "type",
}

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
        theirs: for each of our names the one that stands for it in the record.
        suspect: the word by which a name looks like a person's identifier where none is one,
            ``None`` where there is no such name.
    """

    theirs: Mapping[str, str]
    suspect: str | None


def members_of(names: tuple[str, ...]) -> Members:
    """What these names mean; a name of ours comes before what resembles it."""
    return _known_members(names) if len(names) <= _FEW else _members(names)


_FEW = 64
"""Names whose meaning is remembered: those of the lines of one log are few and the same."""


def _members(names: tuple[str, ...]) -> Members:
    theirs = {name: name for name in names if name in _KNOWN}
    for name in names:
        meant = _MEANT.get(re.sub(r"[\s_\-\ufeff]", "", name).casefold())
        if meant is not None:
            theirs.setdefault(meant, name)
    suspect = None
    if USER not in theirs:
        suspect = next(filter(None, map(_person_in, names)), None)
    return Members(MappingProxyType(theirs), suspect)


_known_members = lru_cache(maxsize=256)(_members)


def not_called_user(what: str, word: str) -> str:
    """Why a record with a suspect name is refused; ``what`` is "member" or "column"."""
    return f"user: expected a {what} of that name, got one that looks like it ({word}): rename it"


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
