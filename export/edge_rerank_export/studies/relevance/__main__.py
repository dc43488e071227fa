"""``python -m edge_rerank_export.studies.relevance``: fit the weights of relevance, and measure.

Folders of data sets are named by what they are for: to be fitted on, or to be measured; files of
texts, each with a query that somebody wrote for it, likewise. Weights, level and chance go
into :mod:`edge_rerank.ranking.relevance` by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from rich.console import Console

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.relevance.relevance import LEVEL, WEIGHTS
from edge_rerank_export.files import made_folder
from edge_rerank_export.studies.relevance.figures import calibrated, figures
from edge_rerank_export.studies.relevance.fit import fit, fit_chance, fit_level
from edge_rerank_export.studies.relevance.lists import (
    SHORT,
    Catalogue,
    Listed,
    judge_of,
    listed,
    read_pairs,
)
from edge_rerank_export.studies.relevance.queries import BY_NAME, MEASURED, Asked, Kind, asked

SEED = 0


def main(argv: Sequence[str] | None = None) -> None:
    """Read, fit if asked to, print a table."""
    parser = argparse.ArgumentParser(prog="python -m edge_rerank_export.studies.relevance")
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="to measure")
    parser.add_argument("--fit", type=Path, nargs="*", default=[], help="to fit weights on")
    parser.add_argument(
        "--chance", type=Path, help="to fit the chance on: each item has all its categories"
    )
    parser.add_argument(
        "--foreign", type=Path, nargs="*", default=[], help="whose categories it lacks"
    )
    parser.add_argument(
        "--level", type=Path, nargs="*", default=[], help="folders and files to fit the level on"
    )
    parser.add_argument(
        "--pairs", type=Path, nargs="*", default=[], help='files of "query" and "text" to measure'
    )
    parser.add_argument("--hold", nargs="*", default=[], metavar="NAME=VALUE", help="as it is")
    parser.add_argument("--queries", type=int, default=200, help="of each kind (default: 200)")
    parser.add_argument("--whole", action="store_true", help="candidates: up to 5,000 items")
    parser.add_argument("--pack", type=Path, help="(default: the shipped one)")
    parser.add_argument("--work", type=Path, help="folder that keeps vectors")
    arguments = parser.parse_args(argv)
    study = _Study(arguments)
    say = partial(Console(soft_wrap=True).print, highlight=False, markup=False)
    weights = dict(WEIGHTS)
    if arguments.fit:
        held = {name: float(value) for name, value in (one.split("=") for one in arguments.hold)}
        lists = [
            one for folder in arguments.fit for kind in MEASURED for one in study.of(folder, kind)
        ]
        weights = fit(lists, list(WEIGHTS), held)
        for name, value in weights.items():
            say(f'"{name}": {value:.2f},')
    if arguments.chance:
        lists = list(study.with_nothing(arguments.chance, arguments.foreign))
        say(fit_chance(lists, list(WEIGHTS).index("sense")))
    level = LEVEL
    if arguments.level:
        level = fit_level([one for path in arguments.level for one in study.short(path)], weights)
        say(level)
    say("set kind queries: MRR recall@5 NDCG@10, fused likewise")
    for folder in arguments.folders:
        for kind in MEASURED:
            lists = list(study.of(folder, kind, whole=arguments.whole))
            if lists:
                ours, fused = figures(lists, weights)
                say(f"{folder.name:12} {kind:8} {len(lists):4}: {ours}  {fused}")
    for file in arguments.pairs:
        lists = list(study.pairs(file, whole=arguments.whole))
        ours, fused = figures(lists, weights)
        say(f"{file.stem:21} {len(lists):4}: {ours}  {fused}")
    say("set lists: mean relevance of what fits, of what does not, expected calibration error")
    for path in (*arguments.folders, *arguments.pairs):
        lists = list(study.short(path))
        say(f"{path.stem:21} {len(lists):4}: {calibrated(lists, weights, level)}")


class _Study:
    def __init__(self, arguments: argparse.Namespace) -> None:
        pack = Pack.open(arguments.pack or shipped_pack())
        self._encoder = TextEncoder(pack)
        self._judge = judge_of(pack, self._encoder)
        self._count = arguments.queries
        # Of two packs the vectors of the same texts differ.
        work: Path | None = arguments.work
        self._work = None if work is None else made_folder(work / pack.digest[:32])
        self._read: dict[Path, Catalogue] = {}

    def of(self, folder: Path, kind: Kind, *, whole: bool = False) -> Iterator[Listed]:
        """Lists of a kind over a folder, those where something is to be found."""
        rng = self._rng(folder, kind)
        queries = asked(kind, self._catalogue(folder).items, self._count, rng)
        lists = self._listed(self._catalogue(folder), kind, rng=rng, whole=whole)
        return (one for one in lists(queries) if one.fits.any())

    def pairs(self, file: Path, *, whole: bool = False) -> Iterator[Listed]:
        """Lists of the texts of a file, one for each of its queries."""
        catalogue, queries = self._pairs(file)
        yield from self._listed(catalogue, Kind.PASSAGE, whole=whole)(queries)

    def short(self, path: Path) -> Iterator[Listed]:
        """Lists of a handful to a hundred, of every kind that a folder or a file has.

        What has every word of a query fits it as well as the known item that it was made of.
        """
        if path.is_file():
            catalogue, queries = self._pairs(path)
            every = [(Kind.PASSAGE, queries)]
        else:
            catalogue = self._catalogue(path)
            every = [
                (kind, asked(kind, catalogue.items, self._count, self._rng(path, kind)))
                for kind in (*MEASURED, Kind.NONSENSE)
            ]
        for kind, queries in every:
            for place, size in enumerate(SHORT):
                make = self._listed(catalogue, kind, size=size)
                for one in make(queries[place :: len(SHORT)]):
                    known = kind not in BY_NAME | {Kind.PASSAGE, Kind.NONSENSE}
                    yield replace(one, fits=one.fits | one.every) if known else one

    def with_nothing(self, folder: Path, foreign: Sequence[Path]) -> Iterator[Listed]:
        """Topics of a folder, as many of others, and nonsense."""
        rng = self._rng(folder, Kind.FOREIGN)
        own = asked(Kind.TOPIC, self._catalogue(folder).items, self._count, rng)
        others = [
            replace(one, fits=(), without=())
            for other in foreign
            for one in asked(Kind.TOPIC, self._catalogue(other).items, self._count, rng)
        ]
        picked = rng.permutation(len(others))[: self._count].tolist()
        nonsense = asked(Kind.NONSENSE, (), self._count, rng)
        for kind, queries in (
            (Kind.TOPIC, own),
            (Kind.FOREIGN, [others[at] for at in picked]),
            (Kind.NONSENSE, nonsense),
        ):
            yield from self._listed(self._catalogue(folder), kind, rng=rng)(queries)

    def _listed(
        self,
        catalogue: Catalogue,
        kind: Kind,
        *,
        rng: np.random.Generator | None = None,
        whole: bool = False,
        size: int | None = None,
    ) -> Callable[[Sequence[Asked]], Iterator[Listed]]:
        return lambda queries: listed(
            catalogue,
            kind,
            queries,
            judge=self._judge,
            encoder=self._encoder,
            rng=np.random.default_rng(SEED) if rng is None else rng,
            whole=whole,
            size=size,
        )

    def _pairs(self, file: Path) -> tuple[Catalogue, list[Asked]]:
        catalogue, queries = read_pairs(file, self._encoder, work=self._work)
        rows = np.random.default_rng(SEED).permutation(len(queries))[: self._count]
        return catalogue, [queries[row] for row in rows.tolist()]

    def _catalogue(self, folder: Path) -> Catalogue:
        if folder not in self._read:
            self._read[folder] = Catalogue.read(folder, self._encoder, work=self._work, seed=SEED)
        return self._read[folder]

    @staticmethod
    def _rng(folder: Path, kind: Kind) -> np.random.Generator:
        return np.random.default_rng((crc32(folder.name.encode()), list(Kind).index(kind), SEED))


if __name__ == "__main__":
    main()
