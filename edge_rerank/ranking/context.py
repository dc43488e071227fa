"""Context of a call: the circumstances that a host states, its list, and the reader's language."""

from __future__ import annotations

import re
from types import MappingProxyType

from edge_rerank._check import check_integer
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.attributes import Values, check_name, check_values

TAG_PATTERN = "^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,7}$"
"""Of language tags, as JSON Schema writes it."""

MAX_CIRCUMSTANCES = 16
"""Of one call."""

NO_CONTEXT: Values = MappingProxyType({})

WHOLE_NUMBERS = {"hour": (0, 23), "weekday": (0, 6), "month": (1, 12)}
"""Circumstances whose values are the same wherever they are used; Monday is 0."""


def context_of(value: object) -> Values:
    """The circumstances of a call, read-only; none where it is ``None``.

    Args:
        value: what came: at most 16 values by names, see
            :func:`edge_rerank.formats.attributes.check_values`; one that is ``None`` is not known.

    Raises:
        InvalidRequest: when it is something else, or an hour, weekday or month is none.
    """
    if value is None:
        return NO_CONTEXT
    given = check_values(value, "context", InvalidRequest, most=MAX_CIRCUMSTANCES)
    known = {name: one for name, one in given.items() if one is not None}
    for name, (least, most) in WHOLE_NUMBERS.items():
        if name in known:
            what = f"context: {name}"
            check_integer(known[name], what, InvalidRequest, minimum=least, maximum=most)
    return MappingProxyType(known)


def locale_of(value: object) -> str:
    """The language that reasons are to be told in, a BCP 47 tag; empty where a call names none.

    Raises:
        InvalidRequest: when it is no such tag.
    """
    if value is None:
        return ""
    if not (isinstance(value, str) and re.fullmatch(TAG_PATTERN[1:-1], value)):
        raise InvalidRequest('locale: expected a language tag such as "zh-CN", got something else')
    return value


def surface_of(value: object) -> str | None:
    """Which of the host's lists a call is for; ``None`` where it does not say.

    Raises:
        InvalidRequest: when it is no name.
    """
    return None if value is None else check_name(value, "surface", InvalidRequest)
