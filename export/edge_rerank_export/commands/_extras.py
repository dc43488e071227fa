"""Optional parts of the toolchain: one line says how to get the one that a command lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_rerank.errors import MissingExtra


@contextmanager
def extra(name: str, module: str) -> Iterator[None]:
    """Around what needs an extra of this distribution.

    Args:
        name: of the extra.
        module: that it brings, by its first name.

    Raises:
        MissingExtra: where that module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module:
            raise
        raise MissingExtra(f'pip install "edge-rerank-export[{name}]"') from error
