"""People of a data set folder: what its training part and its lists together say that they did."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from edge_rerank.formats.dataset import DataSet, Request
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.tables.people import Deed, People, deed_of
from edge_rerank.types import EventType
from edge_rerank_export.progress import Update


def people_of(data: DataSet, numbers: dict[str, int], *, update: Update) -> People:
    """Read the training part and every split.

    What a person chose in the training part is a click, unless a history says more of that moment.
    What has no time is left out.

    Args:
        data: a folder.
        numbers: of people by their names in the folder; filled in, empty before.
        update: told how far it is, in files.

    Raises:
        DataError: at the first malformed line.
        InvalidEvent: when a time is more than a day ahead.
    """
    now, scrubber = time.time(), Scrubber()
    found: dict[int, dict[Deed, None]] = defaultdict(dict)
    splits = data.splits()
    for done, split in enumerate(splits):
        update(done, len(splits) + 1)
        for request in data.requests(split):
            person = number_of(request.user, numbers)
            found[person].update(dict.fromkeys(_deeds_of(request, scrubber, now=now)))
    for one in data.people():
        person = number_of(one.user, numbers)
        known = {(deed.item, deed.at) for deed in found[person]}
        for item, at in zip(one.items, one.timestamps, strict=False):
            if (item, at) not in known:
                found[person][_click(item, at)] = None
    update(len(splits) + 1, len(splits) + 1)
    deeds = tuple(
        tuple(sorted(found[person], key=lambda deed: deed.at)) for person in range(len(numbers))
    )
    times = [deed.at for one in deeds for deed in one]
    return People(
        deeds=deeds,
        items={
            deed.item: data.items[deed.item]
            for one in deeds
            for deed in one
            if deed.item in data.items
        },
        first=min(times, default=0.0),
        last=max(times, default=0.0),
        of_nobody=0,
        repeated=0,
        bad=(),
    )


def described(
    data: DataSet, numbers: Mapping[str, int], kept: Collection[int]
) -> list[dict[str, Any]]:
    """The lines of ``users``: what the folder says of these people, who go by their numbers.

    Raises:
        DataError: at the first malformed line.
    """
    known = {
        number: attributes
        for user, attributes in data.attributes().items()
        if (number := numbers.get(user)) is not None and number in kept
    }
    return [
        {"user": str(number), "attributes": dict(attributes)}
        for number, attributes in sorted(known.items())
    ]


def number_of(user: str | None, numbers: dict[str, int]) -> int:
    """The number of a person, who gets the next one of ``numbers`` where new.

    Whoever has no name is somebody new.
    """
    name = f"\0{len(numbers)}" if user is None else user
    return numbers.setdefault(name, len(numbers))


def _deeds_of(request: Request, scrubber: Scrubber, *, now: float) -> list[Deed]:
    deeds = [deed_of(event, scrubber, now=now) for event in request.history if event.timestamp]
    if request.timestamp is not None:
        deeds += [
            _click(name, request.timestamp, request.dwell_s.get(name))
            for name in sorted(request.clicked)
        ]
    return deeds


def _click(item: str, at: float, dwell_s: float | None = None) -> Deed:
    return Deed(at, item, EventType.CLICK, None, dwell_s, None, None)
