"""The server as an app of Flower's, which a SuperLink runs, and Flower's programs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from flwr.app import Context
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import made_folder, write_whole
from edge_rerank_export.fleet.federation.server.serve import SETTINGS, Settings, serve

SETTINGS_AT = "settings"
"""Name in the run's configuration."""

_APP = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "edge-rerank-fleet"
version = "1.0.0"
description = "Where personal heads begin"
license = { file = "LICENSE" }
dependencies = ["flwr>=1.42,<1.43"]

[tool.flwr.app]
publisher = "edge-rerank"
fab-format-version = 1
flwr-version-target = "1.42.0"

[tool.flwr.app.components]
serverapp = "edge_rerank_export.fleet.federation.server.app:server"
clientapp = "edge_rerank_export.fleet.federation.server.app:client"

[tool.flwr.app.config]
settings = ""
"""

client = ClientApp()
"""Has nothing to run: Flower wants one named, and couriers run nothing that they are sent."""

server = ServerApp()


@server.main()
def main(grid: Grid, context: Context) -> None:
    """Serve the fleet whose settings the run's configuration names."""
    serve(grid, Settings.read(Path(str(context.run_config[SETTINGS_AT]))))


def write_app(settings: Settings) -> Path:
    """Write the folder that ``flwr run`` hands to a SuperLink, and return it."""
    folder = made_folder(Path(settings.out).resolve() / "app")
    settings.write(folder / SETTINGS)
    write_whole(folder / "pyproject.toml", _APP)
    write_whole(folder / "LICENSE", "Apache-2.0\n")
    return folder


def run_tool(name: str, arguments: Sequence[str]) -> None:
    """Run one of Flower's programs until it ends.

    It inherits that Flower tells nobody and asks for no updates, see this package, and finds the
    others beside it, which it starts by name, whether or not the environment is activated.

    Raises:
        RecipeError: when it fails.
    """
    program = Path(sys.executable).with_name(name)
    command = [str(program), *arguments]
    path = os.pathsep.join([str(program.parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, check=False, env=environment)  # noqa: S603 - Flower's own
    if done.returncode:
        raise RecipeError(f"{name}: ended with {done.returncode}")
