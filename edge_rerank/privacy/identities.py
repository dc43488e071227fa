"""National identity numbers: the shapes in which they are written, and their check digits.

China, the United States, the United Kingdom, and of the European Union Belgium, Denmark,
Finland, France, Germany, Ireland, Italy, the Netherlands, Poland, Spain and Sweden. Any
other is found where a word before it says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from edge_rerank.privacy import checksums as check

_NOT_INSIDE = r"(?<![0-9A-Za-z])(?<!\d[.,])"
_END = r"(?![0-9A-Za-z])"
_NEVER = r"(?!)"
_WITHOUT_SEPARATORS = str.maketrans("", "", " .-/")


@dataclass(frozen=True, slots=True)
class _Form:
    """A number's shape, and a test of it without separators where there is one."""

    text: str
    valid: Callable[[str], bool] | None = None


_NUMERIC = (
    _Form(
        r"\d{6}[ \-]?(?:18|19|20)\d\d[ \-]?\d\d[ \-]?\d\d[ \-]?\d{3}[ \-]?[\dX]",
        check.cn_resident,
    ),
    _Form(
        r"[1-478][ .\-]?\d\d[ .\-]?(?:0[1-9]|1[0-2]|[2-9]\d)[ .\-]?(?:\d\d|2[AB])"
        r"(?:[ .\-]?\d{3}){2}[ .\-/]{0,3}\d\d",
        check.fr_nir,
    ),
    # The same without its key.
    _Form(r"[12] \d\d (?:0[1-9]|1[0-2]) (?:\d\d|2[AB]) \d{3} \d{3}"),
    _Form(r"[1-9]\d(?:[ /.\-]?\d{3}){3}|[1-9]\d{3}[ ]\d{4}[ ]\d{3}", check.de_tax),
    _Form(r"\d{6}[ \-]\d{5}|\d\d[ \-]\d\d[ \-]\d\d[ \-]\d{5}", check.pl_pesel),
    _Form(r"\d\d[.\- ]?\d\d[.\- ]?\d\d[.\- ]?\d{3}[.\- ]?\d\d", check.be_register),
    _Form(r"\d{6}[ ]?[\-+][ ]?\d{4}", check.se_personal),
    _Form(r"\d{6}-\d{4}", check.dk_personal),
    # Social Security: no check digit, but three groups that nothing else has.
    _Form(r"(?!000|666)\d{3}(?P<s>[ .\-])(?!00)\d\d(?P=s)(?!0000)\d{4}"),
    _Form(
        r"\d{3}(?P<a>[ .\-])\d{3}(?P=a)\d{3}|\d{4}[ .]\d\d[ .]\d{3}|\d{4}[ .]\d{3}[ .]\d\d"
        r"|\d\d(?P<b>[ .])\d\d(?P=b)\d\d(?P=b)\d{3}",
        check.nl_bsn,
    ),
    _Form(r"(?:\d{8}|\d\d?[. ]\d{3}[. ]\d{3})[ .\-]?[A-HJ-NP-TV-Z]", check.es_dni),
    _Form(r"\d{7}[ ]?[A-W][ABHWTX]?", check.ie_pps),
)
"""Those with the most digits first."""

_LETTERED = (
    _Form(r"[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)2[AB]\d{8}", check.fr_nir),
    _Form(r"[XYZ][ .\-]?(?:\d{7}|\d[. ]\d{3}[. ]\d{3})[ .\-]?[A-HJ-NP-TV-Z]", check.es_dni),
    _Form(
        r"[A-Z]{3}[ \-]?[A-Z]{3}[ \-]?[0-9L-NP-V]{2}[A-EHLMPRST][0-9L-NP-V]{2}[ \-]?"
        r"[A-Z][0-9L-NP-V]{3}[ \-]?[A-Z]",
        check.it_fiscal,
    ),
    _Form(r"\d{6}[\-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]", check.fi_personal),
    # National Insurance: no check digit, but letters that are never given out.
    _Form(
        r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ \-]?\d\d"
        r"[ \-]?\d\d[ \-]?\d\d[ \-]?[A-D]"
    ),
)

_LETTER_AT_DIGIT = re.compile(r"[A-Za-z][ .\-]?\d|\d[A-Za-z]|\d{6}[\-+]\d{3}")
"""In each of :data:`_LETTERED`; most texts have no such place."""

WORDS = re.compile(
    "ssn|social security|sozialversicherung|steuer-id|steuerid|idnr|nir|bsn|pesel|dni|nie|insee"
    "|身份证|tax id|national id|passport|reisepass|passeport|pasaporte|护照|personnummer"
    "|sofinummer"
)
"""Words, in lower case, after which any longer number is an identity number."""

VALUE = re.compile(
    r"(?:[ .:#=-]|no|nr|num(?:ber|mer|éro|ero)?|号码|号|is|ist|est|es){0,10}"
    r"([A-Z]{0,3}\d(?:[ .\-/]?[0-9A-Z]){5,17}?)(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""What follows one of :data:`WORDS`; group 1 is the number."""


class _Family:
    """Forms of which at most one is wanted at a place."""

    def __init__(self, forms: Sequence[_Form]) -> None:
        self._forms = forms
        self._first = self._any_from(0)
        self._later: dict[int, re.Pattern[str]] = {}
        self.starts = re.compile(f"{_NOT_INSIDE}(?={self._first.pattern})", re.IGNORECASE)

    def at(self, text: str, place: int, stop: int) -> tuple[int, int] | None:
        """The first form that fits at ``place`` and passes its test."""
        found = self._first.match(text, place, stop)
        # In most places none fits, and one look tells; each that fails its test costs one more.
        while found is not None and found.lastgroup is not None:
            form = int(found.lastgroup.removeprefix("form"))
            if _holds(self._forms[form], found[found.lastgroup]):
                return found.span()
            later = self._later.get(form + 1)
            if later is None:
                later = self._later[form + 1] = self._any_from(form + 1)
            found = later.match(text, place, stop)
        return None

    def _any_from(self, first: int) -> re.Pattern[str]:
        forms = enumerate(self._forms[first:], start=first)
        groups = [f"(?P<form{place}>{form.text})" for place, form in forms]
        return re.compile(f"(?:{'|'.join(groups) or _NEVER}){_END}", re.IGNORECASE)


def _holds(form: _Form, text: str) -> bool:
    return form.valid is None or form.valid(text.translate(_WITHOUT_SEPARATORS).upper())


# These patterns take 40 ms to compile: not while importing, and not for texts without digits.
@cache
def _begin_with_digits() -> _Family:
    return _Family(_NUMERIC)


@cache
def _may_begin_with_letters() -> _Family:
    return _Family(_LETTERED)


def find_numeric(text: str, place: int, stop: int) -> tuple[int, int] | None:
    """The longest number that begins with the digit at ``place`` and ends before ``stop``."""
    return _begin_with_digits().at(text, place, stop)


def find_lettered(text: str) -> Iterator[tuple[int, int]]:
    """Where numbers that may begin with a letter stand in ``text``."""
    if _LETTER_AT_DIGIT.search(text):
        family = _may_begin_with_letters()
        for start in family.starts.finditer(text):
            span = family.at(text, start.start(), len(text))
            if span is not None:
                yield span


def bare(digits: str) -> bool:
    """Whether digits that stand alone pass the test of a number that is written so."""
    size = len(digits)
    return (
        (size == 9 and check.nl_bsn(digits))
        or (size == 11 and (check.pl_pesel(digits) or check.be_register(digits)))
        or (size == 12 and digits[:2] in {"19", "20"} and check.se_personal(digits[2:]))
    )
