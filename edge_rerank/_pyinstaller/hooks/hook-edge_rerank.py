"""PyInstaller hook: the shipped packs, installed packs, and modules imported when asked for.

PyInstaller follows import statements, so it misses what is found by a path, by an entry point or
by a name. The native libraries of onnxruntime come by the hook of pyinstaller-hooks-contrib, on
which PyInstaller depends.
"""

from __future__ import annotations

from PyInstaller import isolated
from PyInstaller.utils.hooks import collect_data_files, copy_metadata


def _found_at_run_time() -> tuple[dict[str, str], set[str], set[str]]:
    """Ask the package, in a process of its own, as hooks have to.

    Returns:
        Folders and where the frozen package looks for them; distributions whose entry points name
        packs; modules of the names that the package imports when they are first asked for.
    """
    from contextlib import suppress  # noqa: PLC0415 - runs elsewhere, as all of this
    from importlib.metadata import entry_points  # noqa: PLC0415

    import edge_rerank  # noqa: PLC0415
    from edge_rerank.errors import PackNotFound  # noqa: PLC0415
    from edge_rerank.formats.items import example_catalogue  # noqa: PLC0415
    from edge_rerank.packs.installed import GROUP, HOME, installed_packs  # noqa: PLC0415
    from edge_rerank.packs.shipped import multilingual_pack, shipped_pack  # noqa: PLC0415

    folders = {
        str(shipped_pack()): "edge_rerank/models/default",
        str(example_catalogue()): "edge_rerank/examples/catalogue",
        str(example_catalogue("zh")): "edge_rerank/examples/catalogue_zh",
    }
    with suppress(PackNotFound):
        folders[str(multilingual_pack())] = "edge_rerank/models/multilingual"
    folders |= {str(pack): f"{HOME}/{pack.name}" for pack in installed_packs().values()}
    names = {entry.dist.name for entry in entry_points(group=GROUP) if entry.dist is not None}
    late = {f"edge_rerank.{module}" for module in vars(edge_rerank)["_WHEN_ASKED_FOR"].values()}
    return folders, names, late


_folders, _distributions, _late = isolated.call(_found_at_run_time)

hiddenimports = sorted(_late)
_files = collect_data_files("edge_rerank", includes=["**/*.jsonl", "**/static/*"])
datas = [*_folders.items(), *_files]
for _distribution in sorted(_distributions):
    datas += copy_metadata(_distribution)
