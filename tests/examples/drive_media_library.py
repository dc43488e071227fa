"""Drives the media library with real clicks and keys; prints what was seen as one JSON object.

Run as a program of its own, with the example's folder among Python's paths:
``drive_media_library.py ACT FOLDER [PICTURES]``. The act "first" is a
person's first visit, "second" the next one; the history lies in the folder, where an export goes
as well. Pictures are only taken when there is a folder for them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QWidget

from library import Library
from tiles import Tile, Why
from window import Window

LEFT = Qt.MouseButton.LeftButton
PATIENCE_S = 150
DETECTIVES = ("The Clockmaker Vanishes", "A Colder Harbour")
NEXT = "Vey and the Drowned Bell"
"""Two that are chosen, and one that is not but is of their kind."""


def until(holds: Callable[[], object]) -> None:
    """Let the window live until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        QTest.qWait(5)


class Visit:
    """A person at the window."""

    def __init__(self, folder: Path, pictures: Path | None) -> None:
        self.folder, self.pictures = folder, pictures
        self.window = Window(lambda: Library.open(folder / "data", folder / "settings"))
        self.listed = self.told = 0
        self.window.listed.connect(self._count_list)
        self.window.told.connect(self._count_told)
        self.window.show()
        until(lambda: self.listed)
        self.settle()

    def _count_list(self) -> None:
        self.listed += 1

    def _count_told(self) -> None:
        self.told += 1

    def settle(self) -> None:
        """Wait until everything asked for so far is done and shown."""
        done: list[object] = []
        self.window.worker.submit(lambda: None, done.append)
        until(lambda: done)

    def order(self) -> list[str]:
        shelf = self.window.shelves.shelf
        assert shelf is not None
        return [card.title for card in shelf.cards]

    def shown(self) -> list[str]:
        return [tile.title.text() for tile in self.window.shelves.tiles]

    def tile(self, title: str) -> Tile:
        found = next(one for one in self.window.shelves.tiles if one.title.text() == title)
        self.window.shelves.ensureWidgetVisible(found)
        return found

    def click(self, widget: QWidget) -> None:
        QTest.mouseClick(widget, LEFT)
        self.settle()

    def press(self, widget: QWidget, key: Qt.Key) -> None:
        QTest.keyClick(widget, key)
        self.settle()

    def slide(self, key: Qt.Key) -> list[str]:
        self.press(self.window.slider, key)
        return self.order()

    def asked_why(self, tile: Tile, ask: Callable[[], object]) -> list[str]:
        ask()
        until(lambda: isinstance(QApplication.activePopupWidget(), Why))
        popup = QApplication.activePopupWidget()
        assert isinstance(popup, Why)
        lines = list(popup.lines)
        self.picture("why", popup)
        QTest.keyPress(popup, Qt.Key.Key_Escape)
        until(lambda: QApplication.activePopupWidget() is None)
        return lines

    def kept(self) -> list[list[str]]:
        """The privacy page's table, newest first; what was done and with what."""
        if not self.window.turn.isChecked():
            before = self.told
            self.click(self.window.turn)
            until(lambda: self.told > before)
        table = self.window.privacy.table
        return [
            [table.item(row, 1).text(), table.item(row, 2).text()]
            for row in range(table.rowCount())
        ]

    def back(self) -> None:
        self.click(self.window.turn)

    def picture(self, name: str, popup: QWidget | None = None) -> None:
        if self.pictures is None:
            return
        QTest.qWait(50)
        grabbed = self.window.grab()
        if popup is not None:
            painter = QPainter(grabbed)
            at = self.window.mapFromGlobal(popup.geometry().topLeft())
            painter.drawPixmap(at, popup.grab())
            painter.end()
        image = grabbed.toImage().convertToFormat(QImage.Format.Format_RGB888)
        image.save(str(self.pictures / f"{name}.png"), quality=0)


def first(visit: Visit) -> dict[str, Any]:
    window = visit.window
    seen: dict[str, Any] = {}
    seen["asked for consent"] = window.consent.isVisible()
    everybody = seen["everybody"] = visit.order()
    seen["shown in order"] = visit.shown() == everybody[: len(visit.shown())]
    visit.click(visit.tile(everybody[1]))
    visit.press(window.detail, Qt.Key.Key_Escape)
    seen["kept without consent"] = visit.kept()
    visit.back()
    seen["unmoved without consent"] = visit.order() == everybody
    visit.click(window.consent.yes)
    seen["asked again"] = window.consent.isVisible()

    visit.click(visit.tile(DETECTIVES[0]))
    QTest.qWait(1200)
    visit.picture("open")
    visit.press(window.detail, Qt.Key.Key_Escape)
    visit.click(visit.tile(DETECTIVES[1]))
    visit.click(window.detail.like)
    personal = visit.order()
    seen["places"] = [order.index(NEXT) for order in (everybody, personal)]
    visit.picture("library")
    tile = visit.tile("The Second Clock")
    seen["why"] = visit.asked_why(tile, lambda: QTest.mouseClick(tile.why, LEFT))
    seen["why by key"] = visit.asked_why(tile, lambda: QTest.keyClick(tile, Qt.Key.Key_W))

    seen["general"] = visit.slide(Qt.Key.Key_Home) == everybody
    steps = [visit.slide(Qt.Key.Key_PageUp) for _ in range(4)]
    seen["slid"] = [order.index(NEXT) for order in steps]
    seen["personal"] = steps[-1] == personal

    QTest.keyClicks(window.search, "songs of birds")
    until(lambda: "Bird Before Breakfast" in visit.order()[:3])
    seen["found"] = visit.order()[:3]
    visit.picture("search")
    visit.press(window.search, Qt.Key.Key_Return)
    before = visit.listed
    window.search.clear()
    until(lambda: visit.listed > before)

    seen["arrows"] = []
    window.shelves.tiles[0].setFocus()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Up):
        QTest.keyClick(window.focusWidget(), key)
        seen["arrows"].append(window.shelves.tiles.index(window.focusWidget()))
    focused = window.focusWidget().title.text()
    visit.press(window.focusWidget(), Qt.Key.Key_Return)
    seen["opened by key"] = [focused, window.detail.item.text.splitlines()[0]]
    visit.press(window.detail, Qt.Key.Key_Escape)

    seen["busy"] = busy(visit)
    seen["kept"] = visit.kept()
    visit.picture("privacy")
    visit.click(window.privacy.pause)
    visit.back()
    visit.click(visit.tile(visit.order()[0]))
    visit.press(window.detail, Qt.Key.Key_Escape)
    seen["kept while paused"] = visit.kept()
    visit.click(window.privacy.pause)
    window.privacy.table.selectRow(0)
    visit.click(window.privacy.remove)
    seen["kept after removal"] = visit.kept()
    seen["exported"] = export(visit)
    visit.back()
    seen["dark"] = dark(visit)
    window.close()
    return seen


def second(visit: Visit) -> dict[str, Any]:
    """The next day, on a real screen of twice the pixels a point."""
    window = visit.window
    seen: dict[str, Any] = {}
    seen["platform"] = QApplication.platformName()
    seen["pixels a point"] = window.shelves.tiles[0].cover.grab().devicePixelRatio()
    seen["asked for consent"] = window.consent.isVisible()
    seen["order"] = visit.order()
    screen = window.screen().grabWindow(0).toImage().scaled(64, 64)
    seen["colours on the screen"] = len({screen.pixel(x, y) for x in range(64) for y in range(64)})
    visit.picture("screen")
    other = Window(lambda: Library.open(visit.folder / "data", visit.folder / "settings"))
    until(lambda: "Opening" not in other.statusBar().currentMessage())
    seen["a second window says"] = other.statusBar().currentMessage()
    other.close()
    seen["kept"] = len(visit.kept())
    visit.click(window.privacy.erase)
    seen["still kept before the second click"] = len(visit.kept())
    visit.click(window.privacy.really)
    seen["kept after erasure"] = visit.kept()
    seen["asked again"] = window.consent.isVisible()
    seen["order after erasure"] = visit.order()
    window.close()
    return seen


def busy(visit: Visit) -> dict[str, Any]:
    """A slow model: the window keeps ticking, and of many requests one is answered."""
    window, library = visit.window, visit.window.library
    quick = library.shelf
    asked: list[float] = []

    def slow(query: str, personal: float) -> Any:
        asked.append(personal)
        time.sleep(0.4)
        return quick(query, personal)

    library.shelf = slow  # type: ignore[method-assign]
    ticks: list[int] = []
    timer = QTimer(interval=5)
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start()
    before = visit.listed
    window.slider.setValue(99)
    until(lambda: asked)
    for place in range(50):
        window.slider.setValue(place)
    window.slider.setValue(100)
    visit.settle()
    timer.stop()
    library.shelf = quick  # type: ignore[method-assign]
    return {"asked": asked, "listed": visit.listed - before, "ticks": len(ticks)}


def export(visit: Visit) -> str:
    """Through the dialog, as a person would."""
    target = visit.folder / "mine.json"

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QFileDialog):
            QTimer.singleShot(20, answer)
            return
        name = dialog.findChild(QLineEdit)
        name.setText(str(target))
        QTest.keyPress(name, Qt.Key.Key_Return)

    QTimer.singleShot(20, answer)
    visit.click(visit.window.privacy.export)
    until(target.exists)
    visit.settle()
    return str(target)


def dark(visit: Visit) -> dict[str, int]:
    """Lightness, 0 to 255, of a tile's ground and words once the system turns dark."""
    palette = QPalette(QColor(45, 45, 48))
    palette.setColor(QPalette.ColorRole.Base, QColor(30, 30, 32))
    QApplication.setPalette(palette)
    visit.settle()
    visit.picture("dark")
    tile = visit.window.shelves.tiles[-1]
    image = tile.title.grab().toImage()
    shades = [
        image.pixelColor(x, y).lightness()
        for x in range(image.width())
        for y in range(image.height())
    ]
    return {"ground": tile.grab().toImage().pixelColor(5, 5).lightness(), "words": max(shades)}


def main() -> None:
    act, folder, *pictures = sys.argv[1:]
    sys.modules["pandas"] = None  # type: ignore[assignment]  # sqlite-utils would import it
    application = QApplication([])
    application.setStyle("Fusion")
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    visit = Visit(Path(folder), Path(pictures[0]) if pictures else None)
    print(json.dumps({"first": first, "second": second}[act](visit)))


if __name__ == "__main__":
    main()
