"""Internal: hooks for PyInstaller, which finds them by the entry point ``hook-dirs``."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """The folder that PyInstaller looks for hooks in."""
    return [str(Path(__file__).parent / "hooks")]
