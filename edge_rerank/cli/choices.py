"""Options that take one of a few words."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar

_E = TypeVar("_E", bound=StrEnum)


def one_of(kinds: Iterable[_E]) -> Callable[[str], _E]:
    """What reads one of ``kinds``, for ``type=``: argparse would tell an enumeration's name."""
    known = {kind.value: kind for kind in kinds}

    def read(text: str) -> _E:
        found = known.get(text)
        if found is None:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(known)}, got {text!r}")
        return found

    return read
