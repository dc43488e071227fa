"""Covers, drawn from a title's identifier: a form for each medium, colours for each genre."""

from __future__ import annotations

import math
import random
import zlib

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QLinearGradient,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPixmapCache,
    QPolygonF,
)
from PySide6.QtWidgets import QWidget

from edge_rerank import Item


class Cover(QWidget):
    """A title's cover, at whatever size it gets, sharp on every screen."""

    def __init__(self, size: QSize) -> None:
        super().__init__()
        self.setMinimumSize(size)
        self.setMaximumHeight(size.height())
        self._item: Item | None = None

    def show_item(self, item: Item) -> None:
        """Show a title's cover."""
        self._item = item
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the cover, or take it from where Qt keeps pictures."""
        if self._item is None:
            return
        ratio = self.devicePixelRatioF()
        key = f"{self._item.id} {self.width()} {self.height()} {ratio}"
        pixmap = QPixmap()
        if not QPixmapCache.find(key, pixmap):
            pixmap = draw_cover(self._item, self.size(), ratio)
            QPixmapCache.insert(key, pixmap)
        QPainter(self).drawPixmap(0, 0, pixmap)


def draw_cover(item: Item, size: QSize, ratio: float) -> QPixmap:
    """A cover of ``size`` points, with ``ratio`` pixels a point."""
    pixmap = QPixmap(size * ratio)
    pixmap.setDevicePixelRatio(ratio)
    rng = random.Random(item.id)
    medium, genre = item.categories[:2]
    hue = zlib.crc32(genre.encode()) % 360 + rng.randint(-20, 20)
    dark = QColor.fromHsv(hue % 360, 150, 95)
    light = QColor.fromHsv((hue + 45) % 360, 110, 230)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    area = QRectF(0, 0, size.width(), size.height())
    ground = QLinearGradient(area.topLeft(), area.bottomLeft())
    ground.setColorAt(0, dark)
    ground.setColorAt(1, dark.lighter(150))
    painter.fillRect(area, ground)
    _FORMS[medium](painter, area, light, rng)
    painter.end()
    return pixmap


def _hills(painter: QPainter, area: QRectF, light: QColor, rng: random.Random) -> None:
    """A film: a sun above hills."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(light)
    radius = area.height() * rng.uniform(0.12, 0.22)
    sun = QPointF(area.width() * rng.uniform(0.25, 0.75), area.height() * 0.38)
    painter.drawEllipse(sun, radius, radius)
    for depth in range(3):
        level = area.height() * (0.5 + 0.16 * depth)
        phase, wave = rng.uniform(0, 6), rng.uniform(1, 2.5)
        ridge = [
            QPointF(
                area.width() * x / 24,
                level + area.height() * 0.07 * math.sin(phase + wave * 6 * x / 24),
            )
            for x in range(25)
        ]
        painter.setBrush(light.darker(170 + 70 * depth))
        painter.drawPolygon(QPolygonF([*ridge, area.bottomRight(), area.bottomLeft()]))


def _rings(painter: QPainter, area: QRectF, light: QColor, rng: random.Random) -> None:
    """An album: a record's grooves."""
    centre = QPointF(area.width() * rng.uniform(0.35, 0.65), area.height() * rng.uniform(0.4, 0.6))
    reach = min(area.width(), area.height()) * 0.55
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for ring in range(1, 9):
        painter.setPen(QPen(light, reach * rng.uniform(0.01, 0.06)))
        painter.drawEllipse(centre, reach * ring / 8, reach * ring / 8)


def _bands(painter: QPainter, area: QRectF, light: QColor, rng: random.Random) -> None:
    """A book: a spine and slanted bands."""
    painter.setPen(Qt.PenStyle.NoPen)
    for band in range(4):
        top = area.height() * (0.15 + 0.2 * band + rng.uniform(-0.05, 0.05))
        high, slant = area.height() * rng.uniform(0.04, 0.12), area.height() * 0.12
        painter.setBrush(light.darker(100 + 35 * band))
        corners = ((0, top + slant), (1, top), (1, top + high), (0, top + slant + high))
        painter.drawPolygon(QPolygonF([QPointF(area.width() * x, y) for x, y in corners]))
    painter.fillRect(QRectF(0, 0, area.width() * 0.09, area.height()), QColor(0, 0, 0, 90))


def _bars(painter: QPainter, area: QRectF, light: QColor, rng: random.Random) -> None:
    """A podcast: a voice's loudness."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(light)
    step = area.width() / 11
    for bar in range(1, 10):
        high = area.height() * rng.uniform(0.12, 0.62) * math.sin(math.pi * bar / 10)
        box = QRectF(step * (bar + 0.2), (area.height() - high) / 2, step * 0.6, high)
        painter.drawRoundedRect(box, step * 0.3, step * 0.3)


_FORMS = {"Film": _hills, "Album": _rings, "Book": _bands, "Podcast": _bars}
