"""National identity numbers: the shapes in which they are written, and their check digits.

China, Hong Kong, Taiwan, India, Korea, Singapore, the United States, Brazil, Chile, Mexico, South
Africa, the United Kingdom, Norway, Switzerland, Turkey, Russia, and of the European Union Belgium,
Czechia, Denmark, Estonia, Finland, France, Germany, Ireland, Italy, Latvia, Lithuania, the
Netherlands, Poland, Romania, Slovakia, Spain and Sweden. Any other, and any passport, is found
where a word before it says what it is.
"""

# ruff: noqa: E501 - a pattern reads better whole

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from edge_rerank.privacy import checksums as check

_NOT_INSIDE = r"(?<![0-9A-Za-z])(?<!\d[.,])"
_END = r"(?![0-9A-Za-z])"
_NEVER = r"(?!)"
_WITHOUT_SEPARATORS = str.maketrans("", "", " .-/()")


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
    _Form(r"\d{3}\.\d{3}\.\d{3}-\d\d", check.br_cpf),
    _Form(r"[2-9]\d{3}(?P<i>[ \-])\d{4}(?P=i)\d{4}", check.in_aadhaar),
    _Form(r"\d{6}[ ]?-[ ]?[0-9]\d{6}", check.kr_resident),
    _Form(r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d", check.ch_ahv),
    _Form(r"\d{3}-\d{3}-\d{3}[ \-]\d\d", check.ru_snils),
    _Form(r"\d{6}[ \-]\d{5}|\d\d[ \-]\d\d[ \-]\d\d[ \-]\d{5}", check.pl_pesel),
    _Form(r"\d{6}[ ]\d{5}|\d\d[ .]\d\d[ .]\d\d[ .]\d{5}", check.no_personal),
    _Form(r"\d{6}-\d{5}", check.lv_personal),
    _Form(r"\d{6}/\d{3,4}", check.cz_birth),
    _Form(r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", check.cl_rut),
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
    _Form(r"[A-Z][1289]\d{8}", check.tw_identity),
    _Form(r"[A-Z]{1,2}\d{6}[ ]?\([0-9A]\)", check.hk_identity),
    _Form(r"[STFGM]\d{7}[A-Z]", check.sg_identity),
    # PAN of India: no check digit, but a letter for the kind of holder; CURP of Mexico.
    _Form(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"),
    _Form(r"[A-Z][AEIOUX][A-Z]{2}\d\d(?:0[1-9]|1[0-2])[0-3]\d[HMX][A-Z]{5}[A-Z0-9]\d"),
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

_FOUR_DIGITS = re.compile(r"\d(?:\D*\d){3}")
"""What every one of them has at least."""

WORDS = re.compile(
    "ssn|social security|sozialversicherung|steuer-id|steuerid|steuernummer|idnr|nir|bsn|pesel|dni|nie"
    "|insee|nif|curp|cpf|rut|cnp|ahv|svnr|tfn|aadhaar|aadhar|pan card|amka|nric|hkid|cédula|cedula"
    "|national insurance|tax file|medicare|rodné číslo|rodne cislo|fødselsnummer|fodselsnummer"
    "|personnummer|sofinummer|kimlik|инн|снилс|身份证|身分證|マイナンバ-|주민등록번호|주민번호|社保|tax id"
    "|national id|identity card|id card|personalausweis|ausweisnummer|carte d'identité"
    "|carta d'identità|passport|reisepass|passnummer|passeport|passaporto|passaporte|pasaporte|paspoort"
    "|paszport|passi|passaport|cestovní pas|pasaport|паспорта|паспорт|護照|护照|旅券|パスポ-ト|여권"
    "|driving licence|driver's license|drivers license|führerschein|permis de conduire|驾驶证|驾照"
)
"""Words, in lower case and as in a shadow, after which any longer number is an identity number."""

VALUE = re.compile(
    r"(?:[ .:#=\-()]|no|nr|nº|n°|№|num(?:ber|mer|éro|ero)?|número|numer[ou]?|номер|серия|号码|號碼|号|番号|번호|是|为"
    r"|は|is|ist|lautet|est|es|è|jest|id|der|de|of|mine|my){0,12}"
    r"((?:[A-Z]{1,3}[ ]?)?\d(?:[ .\-/]?[0-9A-Z]){5,17}?)(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""What follows one of :data:`WORDS`; group 1 is the number."""


_FEWEST_DIGITS = 5


def is_identity(match: re.Match[str]) -> bool:
    """Whether what :data:`VALUE` found is a number: "a passport in 11 weeks" has none."""
    return sum(map(str.isdigit, match[1])) >= _FEWEST_DIGITS


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
    if _FOUR_DIGITS.search(text) and _LETTER_AT_DIGIT.search(text):
        family = _may_begin_with_letters()
        for start in family.starts.finditer(text):
            span = family.at(text, start.start(), len(text))
            if span is not None:
                yield span


_OF_ELEVEN = (
    check.pl_pesel,
    check.be_register,
    check.br_cpf,
    check.tr_identity,
    check.no_personal,
    check.baltic_personal,
)


def bare(digits: str) -> bool:
    """Whether digits that stand alone pass the test of a number that is written so."""
    size = len(digits)
    return (
        (size == 9 and check.nl_bsn(digits))
        or (size == 11 and any(valid(digits) for valid in _OF_ELEVEN))
        or (size == 12 and digits[:2] in {"19", "20"} and check.se_personal(digits[2:]))
        or (size == 13 and digits[:3] == "756" and check.ch_ahv(digits))
        or (size == 13 and (check.ro_cnp(digits) or check.za_identity(digits)))
    )
