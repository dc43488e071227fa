"""The window: a search box, a slider from general to personal, the titles, the privacy page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMainWindow,
    QPushButton,
    QSlider,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from edge_rerank import Event, EventType
from edge_rerank.errors import HistoryLocked
from library import Kept, Library, Shelf
from privacy import Consent, Privacy
from shelves import Detail, Shelves
from worker import Worker

TYPING_MS = 120
"""How long the search box waits for the next letter."""


class Window(QMainWindow):
    """Everything that is seen, and what happens when it is touched."""

    listed = Signal()
    told = Signal()

    def __init__(self, open_library: Callable[[], Library]) -> None:
        super().__init__()
        self.setWindowTitle("Media library")
        self.resize(1120, 780)
        self.worker = Worker(self)
        self.worker.failed.connect(self._say_failed)
        self.search = QLineEdit(placeholderText="Search", clearButtonEnabled=True)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setPageStep(25)
        self.slider.setValue(100)
        self.slider.setAccessibleName("From what everybody gets to what you like")
        self.turn = QPushButton("&Privacy")
        self.turn.setCheckable(True)
        self.pages = QStackedWidget()
        self._whole = QWidget()
        self.consent = Consent()
        self.detail = Detail()
        self._bar()
        self.statusBar().showMessage("Opening…")
        self.worker.submit(open_library, self._start)

    def _bar(self) -> None:
        bar = QHBoxLayout()
        for widget, stretch in (
            (self.search, 3),
            (QLabel("General"), 0),
            (self.slider, 2),
            (QLabel("Personal"), 0),
            (self.turn, 0),
        ):
            bar.addWidget(widget, stretch)
        body = QHBoxLayout()
        body.addWidget(self.pages, 1)
        body.addWidget(self.detail)
        layout = QVBoxLayout(self._whole)
        layout.addLayout(bar)
        layout.addWidget(self.consent)
        layout.addLayout(body, 1)
        self.setCentralWidget(self._whole)
        self._whole.setEnabled(False)

    def _start(self, library: Library) -> None:
        self.library = library
        self.shelves = Shelves(library.items, library.titles)
        self.privacy = Privacy(library.titles)
        self.pages.addWidget(self.shelves)
        self.pages.addWidget(self.privacy)
        self._whole.setEnabled(True)
        self._connect()
        self.worker.submit(library.decided, lambda answer: self.consent.setVisible(answer is None))
        self.refresh()

    def _connect(self) -> None:
        library, privacy = self.library, self.privacy
        typing = QTimer(self, singleShot=True, interval=TYPING_MS)
        typing.timeout.connect(self.refresh)
        self.search.textChanged.connect(typing.start)
        self.search.returnPressed.connect(self._searched)
        self.slider.valueChanged.connect(self.refresh)
        self.turn.toggled.connect(self._turn)
        self.shelves.opened.connect(self._open)
        self.detail.closed.connect(self._closed)
        self.detail.judged.connect(self._judged)
        self.consent.answered.connect(self.consent.hide)
        for answered in (self.consent.answered, privacy.consented):
            answered.connect(lambda granted: self._change(lambda: library.consent(granted)))
        privacy.paused.connect(lambda paused: self._change(lambda: library.pause(paused)))
        privacy.removed.connect(lambda record: self._change(lambda: library.remove(record)))
        privacy.erased.connect(lambda: self._change(library.erase, "Erased: nothing is left"))
        privacy.exported.connect(
            lambda path: self._change(lambda: library.export(Path(path)), f"Written to {path}")
        )
        QShortcut(QKeySequence.StandardKey.Find, self, self.search.setFocus)

    def refresh(self) -> None:
        """Order the titles anew; of several requests only the newest is answered."""
        query, personal = self.search.text(), self.slider.value() / 100
        self.worker.submit(
            lambda: self.library.shelf(query, personal), self._show_shelf, topic="shelf"
        )

    def _show_shelf(self, shelf: Shelf) -> None:
        self.shelves.show_shelf(shelf)
        mixed = "personal" if shelf.ranking.personalised else "the same for everybody"
        self.statusBar().showMessage(
            f"{len(shelf.cards)} titles in {shelf.ranking.took_ms:.0f} ms, {mixed}"
        )
        self.listed.emit()

    def _open(self, item_id: str) -> None:
        assert self.shelves.shelf is not None
        item = self.library.items[item_id]
        self.detail.show_item(item)
        where, place = self.shelves.shelf.ranking.id, self.shelves.place(item_id)
        self._record(Event("click", item, ranking=where, position=place))

    def _closed(self, item_id: str, dwell_s: float) -> None:
        self._record(Event("view", self.library.items[item_id], dwell_s=dwell_s))
        self.refresh()
        self.shelves.tiles[0].setFocus()

    def _judged(self, kind: EventType, item_id: str) -> None:
        self._record(Event(kind, self.library.items[item_id]))
        self.detail.leave()

    def _searched(self) -> None:
        if self.search.text().strip():
            self._record(Event("search", query=self.search.text()))

    def _record(self, event: Event) -> None:
        self.worker.submit(lambda: self.library.record(event))
        self._tell()

    def _change(self, change: Callable[[], object], words: str = "") -> None:
        """Do what the person wants with what is kept, then show what that made of it."""
        self.worker.submit(change, lambda _: self.statusBar().showMessage(words, 8000))
        self.worker.submit(
            self.library.decided, lambda answer: self.consent.setVisible(answer is None)
        )
        self._tell()
        self.refresh()

    def _turn(self, private: bool) -> None:
        self.pages.setCurrentWidget(self.privacy if private else self.shelves)
        self._tell()

    def _tell(self) -> None:
        """Show what is kept, on the page where somebody sees it: every look is noted."""
        if self.turn.isChecked():
            self.worker.submit(self.library.kept, self._show_kept, topic="kept")

    def _show_kept(self, kept: Kept) -> None:
        self.privacy.show_kept(kept)
        self.told.emit()

    def _say_failed(self, error: Exception) -> None:
        locked = "The library is open already." if isinstance(error, HistoryLocked) else ""
        self.statusBar().showMessage(locked or f"That did not work: {type(error).__name__}")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Keep how long the open title was looked at, and close the history."""
        self.detail.leave()
        self.worker.finish()
        if hasattr(self, "library"):
            self.library.close()
        super().closeEvent(event)
