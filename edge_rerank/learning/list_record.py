"""Records of lists that were shown: what came of each, in numbers alone.

A record names no item. It says where the item that was chosen stood, where the host's own order
and the order without the personal head would have put it, how much of a success it was, and how
likely the list was where some of it was left to chance.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np

from edge_rerank.learning.lessons import Deeds, Shown

PLACES = 10
"""First places of a list of which successes and chances are kept."""

_FORM = struct.Struct(f"<IBBBHHfH{PLACES}B{PLACES}H")
WHOLE = 255
"""What a whole success is as a number of a record in bytes."""

_CHANCE = 65_535

RECORD_BYTES = _FORM.size


@dataclass(frozen=True, slots=True)
class ListRecord:
    """What came of a list.

    Attributes:
        at: UTC seconds at which it was made.
        refused: items of it that were disliked or dismissed.
        place: of the item that was chosen, from 1, 0 if none was: the one with the greatest
            success, the uppermost of equal ones.
        success: of that item, 0 to 1.
        host: its place in the host's own order, 0 where the host gave none.
        without: its place without the head.
        chance: of the list, 1 where nothing was left to chance.
        same: whether the order without the head has the same item there, of the first places.
        rewards: successes of what stood there, 0 to 1, likewise.
        placements: chances that it stood there, above 0, likewise.
    """

    at: float
    refused: int
    place: int
    success: float
    host: int
    without: int
    chance: float
    same: tuple[bool, ...]
    rewards: tuple[float, ...]
    placements: tuple[float, ...]

    @classmethod
    def of(cls, shown: Shown, deeds: Deeds) -> Self:
        """What came of a list that nothing more is expected of.

        Args:
            shown: the list.
            deeds: what the person did with it.
        """
        count = len(shown.ids)
        own = np.arange(1, count + 1)
        without = own if shown.without is None else shown.without
        successes = [deeds.success(one) for one in shown.ids]
        touched = [
            row for row, one in enumerate(shown.ids) if one in deeds.visited or one in deeds.done
        ]
        chosen = max(touched, key=lambda row: (successes[row], -row), default=None)
        chances = np.ones(count) if shown.placements is None else shown.placements
        left = max(PLACES - count, 0)
        return cls(
            at=shown.at,
            refused=sum(one in deeds.refused for one in shown.ids),
            place=0 if chosen is None else chosen + 1,
            success=0.0 if chosen is None else successes[chosen],
            host=0 if chosen is None or shown.host is None else int(shown.host[chosen]),
            without=0 if chosen is None else int(without[chosen]),
            chance=shown.chance,
            same=(*(without == own)[:PLACES].tolist(), *[True] * left),
            rewards=(*successes[:PLACES], *[0.0] * left),
            placements=(*chances[:PLACES].tolist(), *[1.0] * left),
        )

    def to_bytes(self) -> bytes:
        """The record in ``RECORD_BYTES`` bytes, little-endian.

        Successes are kept to 1 in 255, chances of places to 1 in 65,535.
        """
        chances = [max(round(_CHANCE * one), 1) for one in self.placements]
        return _FORM.pack(
            min(max(int(self.at), 0), 2**32 - 1),
            min(self.refused, 255),
            min(self.place, 255),
            round(WHOLE * self.success),
            min(self.host, 65_535),
            min(self.without, 65_535),
            self.chance,
            sum(1 << place for place, same in enumerate(self.same) if same),
            *(round(WHOLE * one) for one in self.rewards),
            *chances,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote; ``raw`` has ``RECORD_BYTES`` bytes."""
        at, refused, place, success, host, without, chance, same, *rest = _FORM.unpack(raw)
        return cls(
            at=float(at),
            refused=refused,
            place=place,
            success=success / WHOLE,
            host=host,
            without=without,
            chance=chance,
            same=tuple(bool(same >> place & 1) for place in range(PLACES)),
            rewards=tuple(one / WHOLE for one in rest[:PLACES]),
            placements=tuple(one / _CHANCE for one in rest[PLACES:]),
        )


def moment_in(raw: bytes) -> int:
    """``ListRecord.at`` of a record in bytes, in whole UTC seconds."""
    return int.from_bytes(raw[:4], "little")
