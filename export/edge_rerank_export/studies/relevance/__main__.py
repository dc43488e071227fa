"""``python -m edge_rerank_export.studies.relevance``: fit the weights of relevance, and measure.

Folders of data sets are named twice: those that are fitted on, and all that are measured.
The weights go into :mod:`edge_rerank.ranking.relevance.relevance` by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from rich.console import Console

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.relevance.relevance import WEIGHTS, Judge
from edge_rerank.ranking.signals.words import Lexicon
from edge_rerank_export.studies.relevance.figures import figures
from edge_rerank_export.studies.relevance.fit import fit
from edge_rerank_export.studies.relevance.lists import Catalogue, Listed, listed
from edge_rerank_export.studies.relevance.queries import Kind

SEED = 0


def main(argv: Sequence[str] | None = None) -> None:
    """Read, fit if asked to, print a table."""
    parser = argparse.ArgumentParser(prog="python -m edge_rerank_export.studies.relevance")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="to measure")
    parser.add_argument("--fit", type=Path, nargs="*", default=[], help="to fit on")
    parser.add_argument("--queries", type=int, default=200, help="of each kind (default: 200)")
    parser.add_argument("--whole", action="store_true", help="candidates: up to 5,000 items")
    parser.add_argument("--pack", type=Path, help="(default: the shipped one)")
    parser.add_argument("--work", type=Path, help="folder that keeps vectors")
    arguments = parser.parse_args(argv)
    study = _Study(arguments)
    say = partial(Console(soft_wrap=True).print, highlight=False, markup=False)
    weights = dict(WEIGHTS)
    if arguments.fit:
        weights = fit(
            [one for folder in arguments.fit for one in study.lists(folder, range(len(Kind)))],
            list(WEIGHTS),
        )
        for name, value in weights.items():
            say(f'"{name}": {value:.2f},')
    say("set kind queries: MRR recall@5 NDCG@10, fused likewise")
    for folder in arguments.folders:
        for place, kind in enumerate(Kind):
            lists = study.lists(folder, [place], whole=arguments.whole)
            if lists:
                ours, fused = figures(lists, weights)
                say(f"{folder.name:12} {kind:8} {len(lists):4}: {ours}  {fused}")


class _Study:
    def __init__(self, arguments: argparse.Namespace) -> None:
        pack = Pack.open(arguments.pack or shipped_pack())
        self._encoder = TextEncoder(pack)
        spec = pack.manifest.history_encoder
        self._judge = Judge(
            cache_items=100_000,
            is_word=self._encoder.is_word,
            rarity=None if spec is None else Lexicon.from_bytes(pack.read(spec.lexicon)).rarity,
        )
        self._count, self._work = arguments.queries, arguments.work
        self._read: dict[Path, Catalogue] = {}

    def lists(self, folder: Path, kinds: Sequence[int], *, whole: bool = False) -> list[Listed]:
        if folder not in self._read:
            self._read[folder] = Catalogue.read(folder, self._encoder, work=self._work, seed=SEED)
        every = tuple(Kind)
        return [
            one
            for place in kinds
            for one in listed(
                self._read[folder],
                every[place],
                self._count,
                judge=self._judge,
                encoder=self._encoder,
                rng=np.random.default_rng((crc32(folder.name.encode()), place, SEED)),
                whole=whole,
            )
            if one.fits.any()
        ]


if __name__ == "__main__":
    main()
