"""Facts about the SQLite that Python has loaded: its version, and flaws that it is known for."""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import dataclass

FLAWS = (
    ((3, 39, 2), "CVE-2022-35737"),
    ((3, 50, 2), "CVE-2025-6965"),
    ((3, 51, 3), "the WAL-reset bug"),
)
"""The first version without each flaw. The first overflows by arguments of gigabytes, the second
by SQL that names more aggregates than columns, as a planted view could; the third needs several
connections, of which a history has one."""


@dataclass(frozen=True, slots=True)
class SqliteFacts:
    """What is loaded.

    Attributes:
        version: such as "3.50.2".
        flaws: known ones that a later version mended; a system may have mended them in this
            version, which cannot be seen from here.
        mended: the first version without any of them.
        defensive: whether defensive mode can be set: from Python 3.12 on.
    """

    version: str
    flaws: tuple[str, ...]
    mended: str
    defensive: bool


def sqlite_facts(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> SqliteFacts:
    """The facts about the loaded SQLite.

    Args:
        version: another one, to ask about.
    """
    return SqliteFacts(
        version=".".join(map(str, version)),
        flaws=tuple(name for good, name in FLAWS if version < good),
        mended=".".join(map(str, FLAWS[-1][0])),
        defensive=sys.version_info >= (3, 12),
    )
