from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import InvalidEvent
from edge_rerank.formats.times import day_comes_first, form_of, has_zone, read_timestamp

EVENING = datetime(2025, 12, 24, 18, 30, tzinfo=UTC).timestamp()
moments = st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1)).map(
    lambda one: one.replace(microsecond=0, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (EVENING, "seconds since 1970"),
        (f"{EVENING:.0f}", "seconds since 1970"),
        (f"{EVENING:.0f}000", "milliseconds since 1970"),
        (EVENING * 1e6, "microseconds since 1970"),
        (f"{EVENING:.0f}000000000", "nanoseconds since 1970"),
        ("2025-12-24T18:30:00Z", "ISO 8601"),
        ("2025-12-24 18:30:00 UTC", "ISO 8601"),
        ("2025-12-24 19:30+01:00", "ISO 8601"),
        ("2025/12/24 18:30", "Y/M/D"),
        ("24.12.2025 18:30", "D.M.Y"),
        ("24.12.25, 18:30:00", "D.M.Y"),
        ("24/12/2025 18:30:00.25", "D/M/Y"),
        ("12/24/2025 6:30 PM", "M/D/Y"),
        ("12-24-2025 06:30:00 p.m.", "M-D-Y"),
        ("12/24/2025 19:30 +0100", "M/D/Y"),
    ],
)
def test_forms(written: object, form: str) -> None:
    assert read_timestamp(written) == EVENING
    assert form_of(written) == form


def test_eight_digits_are_a_date_and_not_the_year_1970() -> None:
    assert read_timestamp("20251224") == datetime(2025, 12, 24, tzinfo=UTC).timestamp()
    assert form_of("20251224") == "ISO 8601"
    assert read_timestamp("20251399") == 20251399
    assert read_timestamp(20251224) == 20251224  # a number is a number


def test_midnight_and_noon() -> None:
    midnight = datetime(2025, 12, 24, tzinfo=UTC).timestamp()
    assert read_timestamp("12/24/2025 12:00 AM") == midnight
    assert read_timestamp("12/24/2025 12:00 PM") == midnight + 12 * 3600


def test_what_can_be_read_two_ways_is_not_guessed() -> None:
    with pytest.raises(InvalidEvent, match="day or the month"):
        read_timestamp("03/04/2025")
    april = datetime(2025, 4, 3, tzinfo=UTC).timestamp()
    assert read_timestamp("03/04/2025", day_first=True) == april
    assert read_timestamp("04/03/2025", day_first=False) == april
    assert read_timestamp("03.04.2025", day_first=False) == april
    assert day_comes_first(["03/04/2025", "25/04/2025"]) is True
    assert day_comes_first(["03/04/2025", "04/25/2025", "x", 5, None]) is False
    assert day_comes_first(["25/04/2025", "04/25/2025"]) is None
    assert day_comes_first(["03/04/2025", "25.04.2025", "2025/13/01"]) is None


@pytest.mark.parametrize(
    "written",
    [
        *("", "secret", "31.02.2025", "2025-13-01", "25:00", "12/24/2025 13:00 PM", "1/2/3"),
        *("99/99/2025", "24.12.2025 24:61", "24.12/2025"),
    ],
)
def test_other_text_is_refused_without_being_repeated(written: str) -> None:
    with pytest.raises(InvalidEvent, match=r"^timestamp: ") as caught:
        read_timestamp(written, day_first=True)
    assert not written or written not in str(caught.value)
    assert form_of(written) is None


@pytest.mark.parametrize(
    ("written", "known"),
    [
        *((5, True), ("5", True), ("2025-12-24", False), ("2025-12-24 18:30", False)),
        *(("2025-12-24 18:30Z", True), ("2025-12-24 18:30 UTC", True), ("24.12.2025", False)),
    ],
)
def test_whether_a_zone_is_given(written: object, known: bool) -> None:
    assert has_zone(written) is known


@given(moments, st.sampled_from(["%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S"]))
def test_what_is_written_comes_back(moment: datetime, form: str) -> None:
    assert read_timestamp(moment.strftime(form)) == moment.timestamp()


@given(moments, st.booleans())
def test_slashes_come_back_in_the_order_that_was_said(moment: datetime, day_first: bool) -> None:
    written = moment.strftime("%d/%m/%Y %I:%M:%S %p" if day_first else "%m/%d/%Y %I:%M:%S %p")
    assert read_timestamp(written, day_first=day_first) == moment.timestamp()


@given(moments, st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_numbers_come_back_whatever_their_unit(moment: datetime, unit: int) -> None:
    number = int(moment.timestamp()) * unit
    assert read_timestamp(number) == pytest.approx(moment.timestamp())
    assert read_timestamp(str(number)) == pytest.approx(moment.timestamp())


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        assert isinstance(read_timestamp(text), float)
    except InvalidEvent:
        assert form_of(text) is None
