"""Tiles: one title each, as a banner, a card or a row, and the popup that says why it is there."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from covers import Cover
from edge_rerank import Card, Item, Reason

BANNER, CARD, ROW = QSize(300, 150), QSize(80, 110), QSize(56, 56)
"""Least sizes of covers, in points."""

_OPENS = {Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space}
_ASKS = {Qt.Key.Key_W, Qt.Key.Key_Question}


class Panel(QWidget):
    """A ground with round corners in the palette's colours, be they light or dark."""

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the ground, and a frame that shows the focus."""
        painter, palette, focus = QPainter(self), self.palette(), self.hasFocus()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(palette.highlight() if focus else palette.mid(), 3 if focus else 1))
        painter.setBrush(palette.base())
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -2, -2), 8, 8)


def headline(label: QLabel, size: float = 1.0) -> None:
    """Make a label bold, and ``size`` times as large."""
    font = label.font()
    font.setBold(True)
    font.setPointSizeF(font.pointSizeF() * size)
    label.setFont(font)


class Tile(Panel):
    """A title that can be opened, with the mouse or with Return, and asked why (W)."""

    opened = Signal(str)
    asked = Signal(str)

    def __init__(self, cover: QSize, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.item_id = ""
        self.cover = Cover(cover)
        self.title, self._text, self.reason = QLabel(), QLabel(), QLabel()
        headline(self.title, 1.4 if cover == BANNER else 1.0)
        for label in (self.title, self._text, self.reason):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self._text.setVisible(cover == BANNER)
        self.why = QToolButton()
        self.why.setText("Why?")
        self.why.clicked.connect(lambda: self.asked.emit(self.item_id))
        self._arrange(cover)

    def _arrange(self, cover: QSize) -> None:
        words = QVBoxLayout()
        words.setSpacing(3)
        for label in (self.title, self._text, self.reason):
            words.addWidget(label)
        words.addStretch(1)
        layout: QBoxLayout = QVBoxLayout(self) if cover == CARD else QHBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        if cover != CARD:
            self.cover.setFixedSize(cover)
        layout.addWidget(self.cover)
        layout.addLayout(words, 1)
        layout.addWidget(self.why, 0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)

    def show_card(self, card: Card, item: Item) -> None:
        """Show a title in its place."""
        self.item_id = card.id
        self.cover.show_item(item)
        reason = card.reasons[0] if card.reasons else ""
        self.title.setText(card.title)
        self._text.setText(f"{item.fields['medium']}, {item.fields['year']}. {card.text}")
        self.reason.setText(f"{item.fields['medium']} · {reason}")
        self.setAccessibleName(f"{card.rank}. {card.title}, {item.fields['medium']}. {reason}")
        self.why.setAccessibleName(f"Why is {card.title} here?")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Open the title."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.pos()):
            self.opened.emit(self.item_id)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Open, ask, or leave the key to the page."""
        if event.key() in _OPENS:
            self.opened.emit(self.item_id)
        elif event.key() in _ASKS:
            self.asked.emit(self.item_id)
        else:
            super().keyPressEvent(event)


class Why(QFrame):
    """A popup with the reasons for a place, each with its weight; Escape closes it."""

    def __init__(self, card: Card, reasons: tuple[Reason, ...], titles: dict[str, str]) -> None:
        super().__init__(None, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.lines = [self._words(reason, titles) for reason in reasons]
        layout = QGridLayout(self)
        head = QLabel(f"Why {card.title} is number {card.rank}")
        headline(head)
        layout.addWidget(head, 0, 0, 1, 2)
        most = max((abs(reason.weight) for reason in reasons), default=1.0)
        for row, (reason, words) in enumerate(zip(reasons, self.lines, strict=True), start=1):
            bar = QProgressBar(maximum=100, value=round(100 * abs(reason.weight) / most))
            bar.setTextVisible(False)
            bar.setFixedSize(90, 8)
            layout.addWidget(QLabel(("↑ " if reason.weight > 0 else "↓ ") + words), row, 0)
            layout.addWidget(bar, row, 1)
        if not reasons:
            layout.addWidget(QLabel("Nothing sets it apart from the others."), 1, 0)

    def show_below(self, widget: QWidget) -> None:
        """Open under a widget, inside of the screen."""
        self.adjustSize()
        corner = widget.mapToGlobal(QPoint(widget.width() - self.width(), widget.height()))
        room = widget.screen().availableGeometry()
        corner.setX(max(room.left(), min(corner.x(), room.right() - self.width())))
        corner.setY(max(room.top(), min(corner.y(), room.bottom() - self.height())))
        self.move(corner)
        self.show()

    @staticmethod
    def _words(reason: Reason, titles: dict[str, str]) -> str:
        if reason.weight > 0 and reason.item_id in titles:
            return f"because you chose {titles[reason.item_id]}"
        if reason.weight > 0 and reason.category:
            return f"from {reason.category}, which you like"
        return reason.code.lifts if reason.weight > 0 else reason.code.lowers
