"""What a device adds to a fleet's prior: one clipped vector of its head, sealed for the server.

:func:`share` is the only function by which anything of what was learnt leaves the device. The
vector says how far the head's mean lies from where it began, and by how much its square and its
variance differ from what the prior expects (the step of expectation maximisation for a Gaussian
prior, as in Bishop, "Pattern recognition and machine learning", 2006, section 3.5); it is made
longer by :data:`STRETCH` and clipped to length 1. It is refused but under terms by which the sum of
at least 100 devices gets Gaussian noise (McMahan and others, "Learning differentially private
recurrent language models", ICLR 2018), and every round is paid for from the file's lifetime budget.

The noise is the server's to add: whoever holds the private key and its memory could see the vector.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer, check_number
from edge_rerank.errors import InvalidRequest, NotEnoughRecords
from edge_rerank.history.budget import ROUNDS
from edge_rerank.history.history import History
from edge_rerank.history.transfer import check_recipient, seal_for
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout

FLEET = ROUNDS
"""The purpose without whose consent nothing is sent."""

CLIP = 1.0
"""Longest vector that is sent."""

LEAST_NOISE, LEAST_CLIENTS = 1.0, 100
"""Noise in units of the clip, and devices a round, below which nothing is sent."""

LEAST_LISTS = 10
"""Lists a head has to have learnt from."""

STRETCH = 3.0
"""How many times as long as what it says a vector is before it is clipped: heads of 10 to 40 lists
lie 0.3 to 0.7 from where they began, and noise is made for vectors as long as the clip. Chosen on
kiosks, films and gifts, see export/EXPERIMENTS.md."""

SPREAD = 0.05
"""What a variance of twice the prior's adds to the vector, where a mean that is off by 1 adds 1."""

_START = struct.Struct("<16sB16s16sIH")
_MAGIC, _VERSION = b"edge-rerank addn", 2
_NO_PRIOR = bytes(16)
_MOST_ROUND = 2**31 - 1


@dataclass(frozen=True, slots=True)
class FleetRound:
    """Terms of one round of federated learning, as the fleet's server promises them.

    Attributes:
        number: of the round, from 1; another one for every round of the server.
        recipient: the server's X25519 public key, 32 bytes, see
            :func:`~edge_rerank.generate_recipient_key`.
        noise: noise multiplier: standard deviation of the Gaussian noise on the sum, in clipping
            norms; at least 1. The less it is, the more ε a round costs.
        clients: devices whose vectors are added up, at least 100.

    Raises:
        InvalidRequest: when an attribute is malformed, or promises less than that.
    """

    number: int
    recipient: bytes
    noise: float = 3.5
    clients: int = LEAST_CLIENTS

    def __post_init__(self) -> None:
        check_integer(
            self.number, "number", InvalidRequest, minimum=1, maximum=_MOST_ROUND,
            wanted="a whole number from 1",
        )  # fmt: skip
        check_recipient(self.recipient)
        if check_number(self.noise, "noise", InvalidRequest, minimum=LEAST_NOISE) is None:
            raise InvalidRequest(f"noise: expected a number from {LEAST_NOISE:g}, got None")
        check_integer(
            self.clients, "clients", InvalidRequest, minimum=LEAST_CLIENTS, maximum=_MOST_ROUND,
            wanted=f"at least {LEAST_CLIENTS} devices",
        )  # fmt: skip

    def to_json(self) -> str:
        """As a server hands it out."""
        return json.dumps({**asdict(self), "recipient": self.recipient.hex()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what a server handed out.

        Raises:
            InvalidRequest: when it is something else, or promises too little.
        """
        try:
            members = json.loads(text)
            return cls(**{**members, "recipient": bytes.fromhex(members["recipient"])})
        except InvalidRequest:
            raise
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InvalidRequest("round: expected what FleetRound.to_json() gives") from None


@dataclass(frozen=True, slots=True, repr=False)
class Contribution:
    """What a sealed vector holds, as the server reads it.

    Attributes:
        layout: mark of the layout that the weights are of.
        start: mark of the prior that the head began with, zeros for none.
        number: of the round it was made for.
        vector: float32 of shape (2 width,), see :func:`vector_of`; of any length and with any
            numbers, for a device may send what it likes.
    """

    layout: bytes
    start: bytes
    number: int
    vector: NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """For sealing."""
        start = _START.pack(
            _MAGIC, _VERSION, self.layout, self.start, self.number, len(self.vector)
        )
        return start + self.vector.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self | None:
        """Read what :meth:`to_bytes` wrote; ``None`` where it is something else."""
        if len(raw) < _START.size:
            return None
        magic, version, layout, start, number, length = _START.unpack_from(raw)
        if (magic, version) != (_MAGIC, _VERSION) or len(raw) != _START.size + 4 * length:
            return None
        vector = np.frombuffer(raw, "<f4", offset=_START.size).astype(np.float32)
        return cls(layout, start, number, vector)


def share(history: History, user: str, head: Head | None, terms: FleetRound) -> bytes:
    """The sealed vector of a person's head: all that leaves the device for a fleet.

    The price is noted in the file, and the release in its audit log, before it is made.

    Args:
        history: says who agreed, and keeps the budget.
        user: who.
        head: what was learnt of them; ``None`` for nothing.
        terms: of the round.

    Returns:
        For the holder of the private key alone; as long for everybody, whatever was learnt.

    Raises:
        ConsentRequired: when the person has not agreed to personalisation and to the purpose
            "fleet".
        NotEnoughRecords: when less than 10 lists were learnt from; nothing is noted then.
        PrivacyBudgetSpent: when less is left of the budget; nothing is noted then.
        HistoryError: when it cannot be noted; nothing is made then.
    """
    lists = 0 if head is None else head.lists
    history.check_agreed(user, FLEET)
    if head is None or lists < LEAST_LISTS:
        raise NotEnoughRecords(
            f"fleet: expected a head that learnt from {LEAST_LISTS} lists or more, got {lists}"
        )
    history.spend_round(user, terms.noise)
    start = head.layout.start
    content = Contribution(
        layout=head.layout.mark,
        start=_NO_PRIOR if start is None else start.mark,
        number=terms.number,
        vector=vector_of(head),
    )
    return seal_for(content.to_bytes(), terms.recipient)


def vector_of(head: Head) -> NDArray[np.float32]:
    """What a head says of the prior it began with, float32 of shape (2 width,), at most 1 long.

    Of each weight first its mean, counted from the prior's, then :data:`SPREAD` times the part by
    which its square and its variance together differ from the prior's variance, at most 1; all of
    it times :data:`STRETCH`.
    """
    mean = head.mean.astype(np.float64)
    expected = head.layout.prior()
    variance = np.diag(np.linalg.inv(head.precision.astype(np.float64)))
    wider = np.clip(expected * (mean**2 + variance) - 1.0, -1.0, 1.0)
    return clipped(STRETCH * np.concatenate([mean, SPREAD * wider]))


def clipped(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    """The vector, shortened to :data:`CLIP` where it is longer; zeros where it is not finite.

    Args:
        vector: of shape (n,).

    Returns:
        float32 of the same shape.
    """
    wide = vector.astype(np.float64)
    largest = float(np.abs(wide).max(initial=0.0))
    if not np.isfinite(largest) or not largest:
        return np.zeros(len(wide), dtype=np.float32)
    length = largest * float(np.linalg.norm(wide / largest))
    # A hair shorter than the clip, so that rounding to float32 does not make it longer.
    return (wide * min(1.0, CLIP * (1 - 1e-6) / length)).astype(np.float32)


def reads(contribution: Contribution, layout: Layout, number: int) -> bool:
    """Whether a vector is of the round and of heads that begin as this layout does."""
    start = _NO_PRIOR if layout.start is None else layout.start.mark
    of = (contribution.layout, contribution.start, contribution.number)
    return of == (layout.mark, start, number) and len(contribution.vector) == 2 * layout.width
