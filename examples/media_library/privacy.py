"""The privacy page: what is kept, and what the person can do about it."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from edge_rerank import Event
from library import Kept
from tiles import Panel, headline

PROMISE = (
    "What you open, like and search for is kept in an encrypted file on this computer, for "
    "nothing but the order of this library. It is sent nowhere."
)
"""Said before consent, and on the page."""

_DONE = {
    "click": "opened",
    "view": "looked at",
    "like": "liked",
    "dislike": "turned down",
    "search": "searched for",
}


class Consent(Panel):
    """The question that comes before anything is kept."""

    answered = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        words = QLabel(f"<b>May this library learn what you like?</b> {PROMISE}")
        words.setWordWrap(True)
        self.yes, self.no = QPushButton("&Yes, remember"), QPushButton("N&o")
        layout = QHBoxLayout(self)
        layout.addWidget(words, 1)
        for button, answer in ((self.yes, True), (self.no, False)):
            button.clicked.connect(lambda _=False, answer=answer: self.answered.emit(answer))
            layout.addWidget(button)
        self.hide()


class Privacy(QWidget):
    """All that is kept, as a table, with the person's rights as buttons above."""

    consented = Signal(bool)
    paused = Signal(bool)
    exported = Signal(str)
    removed = Signal(int)
    erased = Signal()

    def __init__(self, titles: dict[str, str]) -> None:
        super().__init__()
        self._titles = titles
        self.agree, self.pause = QCheckBox("&Remember what I do"), QCheckBox("&Pause for now")
        self.agree.clicked.connect(self.consented)
        self.pause.clicked.connect(self.paused)
        self.export, self.remove = QPushButton("E&xport…"), QPushButton("Remove the &marked line")
        self.erase, self.really = QPushButton("&Erase everything…"), QPushButton("Really, for good")
        self.export.clicked.connect(self._export)
        self.remove.clicked.connect(self._remove)
        self.erase.clicked.connect(self._ask)
        self.really.clicked.connect(self._erase)
        self.summary = QLabel()
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["When", "What you did", "With what"])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        header, modes = self.table.horizontalHeader(), QHeaderView.ResizeMode
        header.setSectionResizeMode(modes.ResizeToContents)
        header.setSectionResizeMode(2, modes.Stretch)
        self._arrange()

    def _arrange(self) -> None:
        head, promise = QLabel("What this library knows of you"), QLabel(PROMISE)
        headline(head, 1.5)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 24, 16)
        for label in (head, promise, self.summary):
            label.setWordWrap(True)
        layout.addWidget(head)
        layout.addWidget(promise)
        for row in ((self.agree, self.pause), (self.export, self.remove, self.erase, self.really)):
            buttons = QHBoxLayout()
            for button in row:
                buttons.addWidget(button)
            buttons.addStretch(1)
            layout.addLayout(buttons)
        layout.addWidget(self.summary)
        layout.addWidget(self.table, 1)
        self.really.hide()

    def show_kept(self, kept: Kept) -> None:
        """Show what is kept."""
        profile, events = kept.profile, kept.data.events
        self.agree.setChecked(bool(kept.consent))
        self.pause.setChecked(kept.data.recording_paused)
        self.pause.setEnabled(bool(kept.consent))
        self.erase.setEnabled(bool(events) or kept.consent is not None)
        self.really.hide()
        top = profile.top_categories.items()
        shares = (f"{name} {share:.0%}" for name, share in top if share >= 0.01)
        likes = ", ".join(shares) or "nothing yet"
        sittings = f"{profile.sessions} sitting{'' if profile.sessions == 1 else 's'}"
        self.summary.setText(f"{len(events)} events in {sittings}. You turn to: {likes}.")
        self.table.setRowCount(len(events))
        for row, stored in enumerate(reversed(events)):
            for column, words in enumerate(self._words(stored.event)):
                cell = QTableWidgetItem(words)
                cell.setData(Qt.ItemDataRole.UserRole, stored.record)
                self.table.setItem(row, column, cell)

    def _words(self, event: Event) -> tuple[str, str, str]:
        when = datetime.fromtimestamp(event.timestamp or 0).strftime("%d %B %Y, %H:%M")
        what = _DONE.get(event.type, event.type)
        if event.dwell_s is not None:
            what += f" for {event.dwell_s:.0f} s"
        thing = event.query or (event.item and self._titles.get(event.item.id, event.item.id))
        return when, what, thing or ""

    def _export(self) -> None:
        target, _ = QFileDialog.getSaveFileName(
            self, "Export", "what-is-kept.json", "JSON (*.json)"
        )
        if target:
            self.exported.emit(target)

    def _remove(self) -> None:
        cell = self.table.item(self.table.currentRow(), 0)
        if cell is not None:
            self.removed.emit(cell.data(Qt.ItemDataRole.UserRole))

    def _ask(self) -> None:
        self.really.show()
        self.really.setFocus()

    def _erase(self) -> None:
        self.really.hide()
        self.erased.emit()
