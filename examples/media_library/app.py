"""A media library that learns on the computer it runs on: ``python app.py``.

With ``--until-listed`` it ends when the first list is on the screen, to time its start.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QStandardPaths, QTimer
from PySide6.QtWidgets import QApplication

from library import Library
from window import Window


def open_library() -> Library:
    """The library of this account: the key lies apart from the history."""
    places = QStandardPaths.StandardLocation
    data, settings = (
        Path(QStandardPaths.writableLocation(place))
        for place in (places.AppDataLocation, places.AppConfigLocation)
    )
    return Library.open(data, settings)


def main() -> int:
    """Show the window until it is closed."""
    application = QApplication(sys.argv)
    application.setApplicationName("edge-rerank-media-library")
    application.setStyle("Fusion")
    window = Window(open_library)
    if "--until-listed" in sys.argv:
        window.listed.connect(lambda: QTimer.singleShot(0, application.quit))
    window.show()
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
