"""The server of a fleet: rounds by Flower's grid, a signed prior after each, and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from edge_rerank import RankingEngine
from edge_rerank._files import reason_of
from edge_rerank.formats.items import read_items
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.prior import Prior
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import made_folder, new_folder, write_whole
from edge_rerank_export.fleet.federation.server.crowd import known_directions
from edge_rerank_export.fleet.federation.server.ledger import Ledger, Promise
from edge_rerank_export.fleet.federation.server.prior import prior_of, write_prior
from edge_rerank_export.fleet.federation.server.report import as_json, as_text, report_of
from edge_rerank_export.fleet.federation.server.rounds import run_rounds
from edge_rerank_export.fleet.federation.server.strategy import PriorStrategy
from edge_rerank_export.packing.sign import sign_pack

if TYPE_CHECKING:
    from flwr.serverapp import Grid

STATE, REPORT = "state.json", "privacy.json"
SETTINGS = "server.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a fleet is served.

    Attributes:
        packs: that the devices rank with, without a prior.
        key: file of the X25519 key that vectors are sealed for.
        signing: file of the Ed25519 key that priors are signed with.
        out: what is kept: the state, a folder for each prior, and the report.
        name: of the priors' pack.
        timeout: seconds to wait for a round's answers.
        items: file of the catalogue, by which the priors' directions are known; "" for none.
        epsilon, rounds, clients: see :class:`~.ledger.Promise`.
    """

    packs: tuple[str, ...]
    key: str
    signing: str
    out: str
    name: str
    timeout: float
    epsilon: float
    rounds: int
    clients: int
    items: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            RecipeError: when it is something else.
        """
        try:
            members = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**members, "packs": tuple(members["packs"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RecipeError(f"{SETTINGS}: cannot be read: {reason_of(error)}") from error

    def write(self, path: Path) -> None:
        """Write them for the process in which Flower runs the server."""
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n")

    @property
    def promise(self) -> Promise:
        """What is promised.

        Raises:
            RecipeError: when that is too little.
        """
        return Promise(self.epsilon, self.rounds, self.clients)


def serve(grid: Grid, settings: Settings) -> dict[str, Any]:
    """Run the rounds that are left of a fleet's promise; its state says how many were asked for.

    A round counts as spent before a device is asked: one that was broken off is not asked again.

    Args:
        grid: reaches the devices.
        settings: of the fleet.

    Returns:
        The privacy report.

    Raises:
        PackError: when a pack cannot be used.
        RecipeError: when a key cannot be used, or the state is of other heads or promises.
        DataError: when the catalogue cannot be read.
    """
    out = made_folder(Path(settings.out))
    with RankingEngine.open(list(settings.packs)) as engine:
        layout = engine.layout
        items = read_items(Path(settings.items)) if settings.items else ()
        known = known_directions(items, engine.vectors(items), engine.axes) if items else None
    key = _key(Path(settings.key))
    state = _State.read(out / STATE, layout, settings.promise)
    ledger = Ledger(settings.promise, rounds=state.rounds)
    strategy = PriorStrategy(
        layout, key.private_bytes_raw(), key.public_key().public_bytes_raw(), ledger
    )

    def release(number: int, position: NDArray[np.float64]) -> None:
        state.write(out / STATE, number, position)
        if number > 1:
            folder = out / f"round-{number}"
            prior = prior_of(position, layout, known=known)
            _release(folder, prior, layout, settings, number)
            strategy.parcel = {one.name: one.read_bytes() for one in sorted(folder.iterdir())}

    finished = run_rounds(
        strategy, grid, ledger,
        position=state.position, known=known, timeout=settings.timeout, on_round=release,
    )  # fmt: skip
    state.write(out / STATE, ledger.rounds, finished.position)
    report = report_of(ledger, layout=layout.mark.hex(), taken=finished.taken)
    write_whole(out / REPORT, as_json(report))
    write_whole(out / "privacy.txt", as_text(report))
    if finished.rounds:
        with new_folder(out / f"prior-{ledger.rounds + 1}") as folder:
            write_prior(
                folder, finished.prior, layout, name=settings.name, release=ledger.rounds + 1,
                report=as_json(report).encode(),
            )  # fmt: skip
            sign_pack(folder, Path(settings.signing))
    return report


def _release(folder: Path, prior: Prior, layout: Layout, settings: Settings, number: int) -> None:
    """The prior that devices begin with in a round, signed."""
    with new_folder(folder) as draft:
        write_prior(
            draft, prior, layout, name=settings.name, release=number, report=b"",
        )  # fmt: skip
        sign_pack(draft, Path(settings.signing))


@dataclass(frozen=True, slots=True)
class _State:
    """What was spent, and where the position is, by a mark of what they are of."""

    mark: Mapping[str, Any]
    rounds: int = 0
    position: NDArray[np.float64] | None = None

    @classmethod
    def read(cls, path: Path, layout: Layout, promise: Promise) -> Self:
        mark = {"layout": layout.mark.hex(), **asdict(promise)}
        if not path.exists():
            return cls(mark)
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            position = np.array(kept["position"], dtype=np.float64)
            rounds = int(kept["rounds"])
            same = kept["mark"] == mark and position.shape == (2 * layout.width,)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RecipeError(f"{STATE}: cannot be read: {reason_of(error)}") from error
        if not same or rounds < 0:
            raise RecipeError(
                f"{STATE}: of other heads or promises: a new fleet wants another --out, and its "
                "devices pay for it"
            )
        return cls(mark, rounds, position)

    def write(self, path: Path, rounds: int, position: NDArray[np.float64]) -> None:
        kept = {"mark": self.mark, "rounds": rounds, "position": position.tolist()}
        write_whole(path, json.dumps(kept) + "\n")


def _key(path: Path) -> X25519PrivateKey:
    try:
        return X25519PrivateKey.from_private_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"key: expected an X25519 key of 32 bytes: {type(error).__name__}"
        ) from error
