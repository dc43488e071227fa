"""Check digits: what tells a card or an identity number from any other number.

Each function takes the number without separators, in upper case, and is linear in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from operator import mul

IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country (SWIFT's IBAN registry)."""

_IBAN_DIGITS = {ord("A") + place: str(10 + place) for place in range(26)}
_CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_NL_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)
_PL_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_OMOCODIA = str.maketrans("LMNPQRSTUV", "0123456789")
_IT_ODD = (
    *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18),
    *(20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
)
_LUHN_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    raw = digits.encode()
    total = sum(raw[-1::-2]) + sum(raw[-2::-2].translate(_LUHN_DOUBLED)) - len(raw) * ord("0")
    return total % 10 == 0


def card_network(digits: str) -> bool:
    """Whether a card network issues numbers of this beginning and length."""
    size = len(digits)
    lead = int(digits[:2])
    if digits[0] == "4":
        return size in {13, 16, 19}
    if lead in {34, 37} or digits[:4] in {"1800", "2131"}:
        return size == 15
    if lead in {30, 36, 38, 39}:
        return 14 <= size <= 19
    if lead in {35, 81}:
        return 16 <= size <= 19
    if digits[0] == "6" or lead in {50, 56, 57, 58}:  # Maestro has twelve and more
        return 12 <= size <= 19
    return size == 16 and (digits[0] == "5" or 220 <= int(digits[:3]) <= 272)


def iban(text: str) -> bool:
    """ISO 13616: the country's length, and 1 modulo 97 after rotation by four."""
    if IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    rotated = text[4:] + text[:4]
    return int(rotated.translate(_IBAN_DIGITS)) % 97 == 1


def cn_resident(text: str) -> bool:
    """GB 11643: date of birth, and ISO 7064 MOD 11-2."""
    if not real_date(int(text[6:10]), int(text[10:12]), int(text[12:14])):
        return False
    return "10X98765432"[_weighted(text, _CN_WEIGHTS) % 11] == text[17]


def de_tax(digits: str) -> bool:
    """Steuerliche Identifikationsnummer: one digit repeated, and ISO 7064 MOD 11,10."""
    if digits[0] == "0" or len(set(digits[:10])) not in {8, 9}:
        return False
    repeats = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if repeats[-2] != 1:  # nine kinds of digits: one twice; eight: one three times
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def fr_nir(text: str) -> bool:
    """Numéro de sécurité sociale with its key of two digits."""
    body = text[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(text[13:])


def es_dni(text: str) -> bool:
    """DNI or, with X, Y or Z first, NIE: the letter is the number modulo 23."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(number) % 23] == text[-1]


def it_fiscal(text: str) -> bool:
    """Codice fiscale: its last letter, digits replaced by letters included."""
    total = 0
    for place, character in enumerate(text[:15]):
        value = int(character) if character.isdigit() else ord(character) - ord("A")
        total += value if place % 2 else _IT_ODD[value]
    day = int(text[9:11].translate(_OMOCODIA))
    return 0 < day % 40 <= 31 and chr(ord("A") + total % 26) == text[15]


def nl_bsn(digits: str) -> bool:
    """Burgerservicenummer: the eleven test."""
    return _weighted(digits, _NL_WEIGHTS) % 11 == 0 and int(digits) > 0


def pl_pesel(digits: str) -> bool:
    """PESEL: date of birth with the century in the month, and weights 1, 3, 7, 9."""
    month = int(digits[2:4])
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[month // 20]
    born = real_date(century + int(digits[:2]), month % 20, int(digits[4:6]))
    return born and _weighted(digits, _PL_WEIGHTS) % 10 == 0


def be_register(digits: str) -> bool:
    """Rijksregisternummer: modulo 97, with a 2 in front for births from 2000 on."""
    key = int(digits[9:])
    return any(97 - int(century + digits[:9]) % 97 == key for century in ("", "2"))


def se_personal(digits: str) -> bool:
    """Personnummer or samordningsnummer of ten digits: date (day + 60) and Luhn."""
    return real_date(2000, int(digits[2:4]), int(digits[4:6]) % 60) and luhn(digits)


def fi_personal(text: str) -> bool:
    """Henkilötunnus: the sign is date and number modulo 31."""
    born = real_date(2000, int(text[2:4]), int(text[:2]))
    return born and _HETU_LETTERS[int(text[:6] + text[-4:-1]) % 31] == text[-1]


def dk_personal(digits: str) -> bool:
    """CPR-nummer: only its date; its check digit was given up in 2007."""
    return real_date(2000, int(digits[2:4]), int(digits[:2]))


def ie_pps(text: str) -> bool:
    """Personal Public Service number: the letter after seven digits, modulo 23."""
    total = _weighted(text, range(8, 1, -1))
    if len(text) == 9 and text[8] != "W":
        total += 9 * (ord(text[8]) - ord("A") + 1)
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == text[7]


def br_cpf(digits: str) -> bool:
    """Cadastro de Pessoas Físicas: two digits modulo 11, not all alike."""
    first = -_weighted(digits[:9], range(10, 1, -1)) % 11 % 10
    second = -_weighted(digits[:10], range(11, 1, -1)) % 11 % 10
    return len(set(digits)) > 1 and digits[9:] == f"{first}{second}"


def in_aadhaar(digits: str) -> bool:
    """Aadhaar: Verhoeff's check digit in the dihedral group of ten."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _dihedral(check, _VERHOEFF[place % 8][int(digit)])
    return check == 0


def kr_resident(digits: str) -> bool:
    """Resident registration number: its date; its check digit was given up in 2020."""
    century = {"1": 1900, "2": 1900, "5": 1900, "6": 1900, "9": 1800, "0": 1800}
    year = century.get(digits[6], 2000) + int(digits[:2])
    return real_date(year, int(digits[2:4]), int(digits[4:6]))


def ch_ahv(digits: str) -> bool:
    """AHV number: 756 for Switzerland, and the check digit of an EAN."""
    return -_weighted(digits, (1, 3) * 6) % 10 == int(digits[12])


def cz_birth(digits: str) -> bool:
    """Rodné číslo: date with 50, 20 or 70 in the month, and divisible by 11 since 1954."""
    month = int(digits[2:4]) % 50
    dated = real_date(2000, month - 20 if month > 20 else month, int(digits[4:6]))
    return dated and (len(digits) == 9 or int(digits) % 11 == 0 or int(digits[:9]) % 11 == 10)


def ro_cnp(digits: str) -> bool:
    """Cod numeric personal: date and weights 279146358279."""
    dated = real_date(2000, int(digits[3:5]), int(digits[5:7]))
    check = _weighted(digits, map(int, "279146358279")) % 11
    return dated and digits[0] != "0" and int(digits[12]) == (1 if check == 10 else check)


def no_personal(digits: str) -> bool:
    """Fødselsnummer or D-number: date (day + 40) and two digits modulo 11."""
    dated = real_date(2000, int(digits[2:4]) % 40, int(digits[:2]) % 40)
    first = _weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return dated and first % 11 == 0 and second % 11 == 0


def tr_identity(digits: str) -> bool:
    """T.C. kimlik numarası: two check digits."""
    numbers = [int(digit) for digit in digits]
    first = (7 * sum(numbers[0:9:2]) - sum(numbers[1:8:2])) % 10
    return numbers[0] > 0 and numbers[9] == first and numbers[10] == sum(numbers[:10]) % 10


def za_identity(digits: str) -> bool:
    """South African identity number: date, citizenship 0 to 2, and Luhn."""
    dated = real_date(2000, int(digits[2:4]), int(digits[4:6]))
    return dated and digits[10] in "012" and luhn(digits)


def baltic_personal(digits: str) -> bool:
    """Isikukood and asmens kodas: date, and modulo 11 with two rows of weights."""
    if not (digits[0] in "123456" and real_date(2000, int(digits[3:5]), int(digits[5:7]))):
        return False
    check = _weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = _weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == int(digits[10])


def lv_personal(digits: str) -> bool:
    """Personas kods of before 2017: only its date."""
    return real_date(2000, int(digits[2:4]), int(digits[:2])) and digits[6] in "012"


def cl_rut(text: str) -> bool:
    """Rol Único Tributario: modulo 11."""
    total = sum(map(mul, map(int, reversed(text[:-1])), (2, 3, 4, 5, 6, 7) * 2))
    return "0123456789K0"[-total % 11] == text[-1]


def ru_snils(digits: str) -> bool:
    """SNILS: weights 9 to 1, modulo 101."""
    return _weighted(digits, range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def tw_identity(text: str) -> bool:
    """National identification number: the letter is two digits, weights 1, 9 to 1, 1."""
    number = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0]) + 10
    return (
        number // 10 + number % 10 * 9 + _weighted(text[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))
    ) % 10 == 0


def hk_identity(text: str) -> bool:
    """Hong Kong identity card: modulo 11 with A for 10; a space stands for a missing letter."""
    values = [36 if sign == " " else int(sign, 36) for sign in text[:-1].rjust(8)]
    check = -sum(map(mul, values, range(9, 1, -1))) % 11
    return "0123456789A"[check] == text[-1]


def sg_identity(text: str) -> bool:
    """NRIC or FIN: weights 2, 7 to 2, and a letter by series."""
    total = _weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(text[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}
    place = 10 - total % 11 if text[0] == "M" else total % 11
    return letters.get(text[0], "XWUTRQPNMLK")[place] == text[8]


def _dihedral(left: int, right: int) -> int:
    """The product in the group of the turns and flips of a pentagon."""
    if left < 5:
        return (left + right) % 5 + 5 * (right >= 5)
    return (left - right) % 5 + 5 * (right < 5)


def _verhoeff() -> Sequence[Sequence[int]]:
    """The permutation 1576283094 and its powers."""
    powers = [list(range(10))]
    for _ in range(7):
        powers.append([powers[-1][place] for place in (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)])
    return powers


_VERHOEFF = _verhoeff()


def _weighted(text: str, weights: Iterable[int]) -> int:
    """Sum of the first digits, each times its weight."""
    return sum(map(mul, weights, map(int, text)))


def real_date(year: int, month: int, day: int) -> bool:
    """Whether the calendar has such a day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
