"""The page of titles: a banner, two rows of cards, a list, and the title that is open."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from covers import Cover
from edge_rerank import EventType, Item
from library import Shelf
from tiles import BANNER, CARD, ROW, Panel, Tile, Why, headline

COLUMNS, CARDS, ROWS = 4, 8, 24

_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class Shelves(QScrollArea):
    """The order as tiles, which arrow keys move between."""

    opened = Signal(str)

    def __init__(self, items: dict[str, Item], titles: dict[str, str]) -> None:
        super().__init__()
        self._items, self._titles = items, titles
        self.shelf: Shelf | None = None
        sizes = [BANNER, *[CARD] * CARDS, *[ROW] * ROWS]
        self.tiles = [Tile(size) for size in sizes]
        for tile in self.tiles:
            tile.opened.connect(self.opened)
            tile.asked.connect(self.explain)
        page = QWidget()
        grid = QGridLayout(page)
        grid.addWidget(self.tiles[0], 0, 0, 1, COLUMNS)
        for place, tile in enumerate(self.tiles[1 : 1 + CARDS]):
            grid.addWidget(tile, 1 + place // COLUMNS, place % COLUMNS)
        for place, tile in enumerate(self.tiles[1 + CARDS :]):
            grid.addWidget(
                tile, 1 + CARDS + place // 2, COLUMNS // 2 * (place % 2), 1, COLUMNS // 2
            )
        for column in range(COLUMNS):
            grid.setColumnStretch(column, 1)
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_shelf(self, shelf: Shelf) -> None:
        """Show an order."""
        self.shelf = shelf
        for tile, card in zip(self.tiles, shelf.cards, strict=False):
            tile.show_card(card, self._items[card.id])
        if shelf.banner is not None and shelf.banner.reason:
            self.tiles[0].reason.setText(shelf.banner.reason[0].upper() + shelf.banner.reason[1:])

    def place(self, item_id: str) -> int:
        """Which place a title has, from 1."""
        assert self.shelf is not None
        return next(one.rank for one in self.shelf.ranking if one.item.id == item_id)

    def explain(self, item_id: str) -> None:
        """Say why a title stands where it stands."""
        assert self.shelf is not None
        place = self.place(item_id) - 1
        ranked, tile = self.shelf.ranking[place], self.tiles[place]
        popup = Why(self.shelf.cards[place], ranked.reasons, self._titles)
        popup.setParent(tile, Qt.WindowType.Popup)
        popup.show_below(tile.why)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Go to the nearest tile in the direction of an arrow."""
        here = self.focusWidget()
        if event.key() not in _ARROWS or here not in self.tiles:
            super().keyPressEvent(event)
            return
        right, down = _ARROWS[Qt.Key(event.key())]
        start = here.geometry().center()
        found = {}
        for tile in self.tiles:
            step = tile.geometry().center() - start
            ahead, aside = step.x() * right + step.y() * down, step.x() * down + step.y() * right
            if ahead > 0:
                found[tile] = ahead + 2 * abs(aside)
        if found:
            nearest = min(found, key=found.__getitem__)
            nearest.setFocus(Qt.FocusReason.TabFocusReason)
            self.ensureWidgetVisible(nearest)


class Detail(Panel):
    """The title that is open, and how long it was."""

    closed = Signal(str, float)
    judged = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(320)
        self.item: Item | None = None
        self._clock = QElapsedTimer()
        self._cover, self._title, self._text = Cover(QSize(296, 296)), QLabel(), QLabel()
        headline(self._title, 1.5)
        layout = QVBoxLayout(self)
        layout.addWidget(self._cover)
        for label in (self._title, self._text):
            label.setWordWrap(True)
            layout.addWidget(label)
        self.like, self.dislike = QPushButton("&Like"), QPushButton("&Not for me")
        self.close_button = QPushButton("&Close")
        judging = QHBoxLayout()
        for button, kind in ((self.like, EventType.LIKE), (self.dislike, EventType.DISLIKE)):
            button.clicked.connect(lambda _=False, kind=kind: self._judge(kind))
            judging.addWidget(button)
        self.close_button.clicked.connect(self.leave)
        layout.addLayout(judging)
        layout.addStretch(1)
        layout.addWidget(self.close_button)
        self.hide()

    def show_item(self, item: Item) -> None:
        """Open a title."""
        self.leave()
        self.item = item
        title, text = item.text.split("\n")
        genres = " · ".join(item.categories[1:])
        self._cover.show_item(item)
        self._title.setText(title)
        self._text.setText(f"{item.fields['medium']}, {item.fields['year']}\n{genres}\n\n{text}")
        self._clock.start()
        self.show()
        self.close_button.setFocus(Qt.FocusReason.OtherFocusReason)

    def leave(self) -> None:
        """Close it, and say how long it was open."""
        if self.item is not None:
            item, self.item = self.item, None
            self.hide()
            self.closed.emit(item.id, self._clock.elapsed() / 1e3)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Escape closes it."""
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        else:
            super().keyPressEvent(event)

    def _judge(self, kind: EventType) -> None:
        if self.item is not None:
            self.judged.emit(kind, self.item.id)
