"""Contenders: what a way of ranking has to offer to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from edge_rerank_export.errors import ExportError


class NotRunnable(ExportError):  # noqa: N818
    """A contender cannot be run here; the message says why."""


class Contender(Protocol):
    """Ranks candidates after a history, by whatever it is made of."""

    def read(self, history: Sequence[str]) -> None:
        """Keep ``history``; not part of the measured time."""

    def meet(self, candidates: Sequence[str]) -> None:
        """Learn of the candidates ahead, as a catalogue is known; not part of the time."""

    def rank(self, candidates: Sequence[str]) -> None:
        """Score ``candidates``; this is what is measured."""


def optional(module: str, distribution: str) -> Any:
    """Import a package that is no dependency of ours.

    Raises:
        NotRunnable: when it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise NotRunnable(f"not installed: pip install {distribution}") from None
