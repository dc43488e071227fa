"""Makes ``heldout.jsonl.gz``, the labelled set that the scrubbing rules were not written with.

Run it as ``python tests/privacy/make_heldout.py``; it needs Faker, phonenumbers and
python-stdnum, none of which the tests themselves need. Numbers come from those libraries,
not from the code under test; sentences, signs and alphabets are put around them here. Each
line is ``{"kind", "form", "text", "value"}``, where ``value`` is the part of the text that must
go; a benign query has no kind and no value. Access
tokens are left out: ``tokens.py`` makes them when the test runs, since files with lookalike
secrets trip secret scanners.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import string
from collections.abc import Callable
from pathlib import Path

import phonenumbers
from faker import Faker
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import iban as stdnum_iban
from stdnum.de import idnr
from stdnum.ie import pps

SEED = 55501873
EACH = 120
BENIGN = 3000
POSITION = re.compile(r"-?\d+\.\d+, -?\d+\.\d+")
TARGET = Path(__file__).with_name("heldout.jsonl.gz")

SENTENCES = (
    "{}",
    "{}",
    "{}.",
    "{}?",
    "({})",
    '"{}"',
    "my details {} thanks",
    "who is {}",
    "lost wallet {} help",
    "search {}, please",
    "bitte {} prüfen",
    "wem gehört {}?",
    "c'est quoi {} svp",
    "busco {} ahora",
    "cerca {} subito",
    "zoek {} op",
    "sprawdź {} teraz",
    "найти {} срочно",
    "这是{}吗",
    "请查{}。谢谢",
    "これは{}です",
    "내 {} 확인",
    "x={}",
    "info:{}",
    "nike shoes / {} / size 9",
)
WIDE = str.maketrans(
    string.digits + string.ascii_letters + "@.-+()",
    "０１２３４５６７８９"
    + "".join(chr(ord(c) + 0xFEE0) for c in string.ascii_letters)
    + "＠．－＋（）",
)
PHONE_REGIONS = (
    "US",
    "CA",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "BE",
    "AT",
    "CH",
    "PL",
    "PT",
    "SE",
    "FI",
    "CZ",
    "IE",
    "JP",
    "KR",
    "CN",
    "IN",
    "BR",
    "MX",
    "AU",
    "RU",
    "TR",
    "ZA",
)
INTERNATIONAL_ONLY = ["NO", "DK", "SG", "HK"]

Maker = Callable[[random.Random], str]


def phone(region: str, rng: random.Random) -> str:
    formats = [PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164]
    if region not in INTERNATIONAL_ONLY:
        formats += [PhoneNumberFormat.NATIONAL] * 4
    kind = rng.choice((PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE))
    example = phonenumbers.example_number_for_type(region, kind)
    digits = str(example.national_number)
    while True:
        tail = "".join(rng.choice(string.digits) for _ in range(4))
        number = phonenumbers.PhoneNumber(
            country_code=example.country_code,
            national_number=int(digits[:-4] + tail),
            italian_leading_zero=example.italian_leading_zero,
        )
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, rng.choice(formats))


def german_tax_id(rng: random.Random) -> str:
    while True:
        body = rng.sample(string.digits, 9)
        body.insert(rng.randrange(10), rng.choice(body))
        text = "".join(body)
        text += idnr.mod_11_10.calc_check_digit(text)
        if idnr.is_valid(text):
            return idnr.format(text) if rng.random() < 0.5 else text


def irish_pps(rng: random.Random) -> str:
    body = "".join(rng.choice(string.digits) for _ in range(7))
    return next(body + sign for sign in string.ascii_uppercase if pps.is_valid(body + sign))


def regroup(text: str, sizes: list[int], sign: str) -> str:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return sign.join(piece for piece in [*pieces, text[at:]] if piece)


def card(fake: Faker, rng: random.Random) -> str:
    digits = fake.credit_card_number()
    if rng.random() < 0.4:
        return digits
    sizes = [4, 6, 5] if len(digits) in {14, 15} else [4, 4, 4, 4]
    return regroup(digits, sizes, rng.choice((" ", "-", " ", ".")))


def national_insurance(rng: random.Random) -> str:
    prefix = rng.choice("ABCEGHJKLMNPRSTWXYZ") + rng.choice("ABCEGHJKLMPRSTWXYZ")
    if prefix in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}:
        return national_insurance(rng)
    text = prefix + "".join(rng.choice(string.digits) for _ in range(6)) + rng.choice("ABCD")
    return rng.choice((text, regroup(text, [2, 2, 2, 2], " "), regroup(text, [2, 6], " ")))


def iban(fake: Faker, rng: random.Random) -> str:
    text = fake.iban()
    if not stdnum_iban.is_valid(text, check_country=False):  # Faker's British ones are short
        text = stdnum_iban.compact("DE89 3704 0044 0532 0130 00")
    shape = rng.random()
    if shape < 0.4:
        return text
    text = regroup(text, [4] * 8, " ")
    return text.lower() if shape > 0.9 else text


def email(fake: Faker, rng: random.Random) -> str:
    text = rng.choice((fake.email, fake.company_email, fake.free_email, fake.ascii_safe_email))()
    shape = rng.random()
    if shape < 0.1:
        return text.upper()
    if shape < 0.2:
        return text.replace("@", f"+{fake.word()}@")
    return text


def address(fake: Faker, rng: random.Random) -> str:
    shape = rng.random()
    if shape < 0.5:
        return fake.ipv4()
    if shape < 0.6:
        return fake.ipv4(network=True)
    text = fake.ipv6()
    return text.upper() if shape > 0.9 else text


def makers() -> dict[tuple[str, str], Maker]:
    fakes = {
        name: Faker(name)
        for name in [
            "en_US",
            "en_GB",
            "de_DE",
            "fr_FR",
            "es_ES",
            "it_IT",
            "nl_NL",
            "pl_PL",
            "fi_FI",
            "sv_SE",
            "nl_BE",
            "da_DK",
            "zh_CN",
            "ja_JP",
            "ko_KR",
            "pt_BR",
            "cs_CZ",
            "tr_TR",
        ]
    }
    for number, fake in enumerate(fakes.values()):
        fake.seed_instance(SEED + number)
    locales = tuple(fakes.values())
    table: dict[tuple[str, str], Maker] = {
        ("email", "email"): lambda rng: email(rng.choice(locales), rng),
        ("ip", "ip"): lambda rng: address(fakes["en_US"], rng),
        ("card", "card"): lambda rng: card(fakes["en_US"], rng),
        ("iban", "iban"): lambda rng: iban(rng.choice(locales), rng),
        ("id", "CN"): lambda rng: fakes["zh_CN"].ssn(),
        ("id", "US"): lambda rng: fakes["en_US"].ssn(),
        ("id", "GB"): national_insurance,
        ("id", "FR"): lambda rng: fakes["fr_FR"].ssn(),
        ("id", "ES-DNI"): lambda rng: fakes["es_ES"].nif(),
        ("id", "ES-NIE"): lambda rng: fakes["es_ES"].nie(),
        ("id", "IT"): lambda rng: fakes["it_IT"].ssn(),
        ("id", "NL"): lambda rng: fakes["nl_NL"].ssn(),
        ("id", "PL"): lambda rng: fakes["pl_PL"].pesel(),
        ("id", "FI"): lambda rng: fakes["fi_FI"].ssn(),
        ("id", "SE"): lambda rng: fakes["sv_SE"].ssn(),
        ("id", "BE"): lambda rng: fakes["nl_BE"].ssn(),
        ("id", "DK"): lambda rng: fakes["da_DK"].ssn(),
        ("id", "DE"): german_tax_id,
        ("id", "IE"): irish_pps,
    }
    for region in [*PHONE_REGIONS, *INTERNATIONAL_ONLY]:
        table["phone", region] = lambda rng, region=region: phone(region, rng)
    return table


def benign(rng: random.Random) -> str:
    """A query as people type them, most with a number in it."""
    fake = Faker(["en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "zh_CN", "ja_JP"])
    fake.seed_instance(rng.randrange(2**31))

    def number(low: int, high: int) -> int:
        return rng.randint(low, high)

    brand = fake.company().split()[0].strip(",")
    thing = fake["en_US"].word()
    shapes: tuple[Callable[[], str], ...] = (
        lambda: " ".join(fake.words(number(1, 5))),
        lambda: fake["en_US"].catch_phrase().lower(),
        lambda: fake["zh_CN"].sentence(nb_words=number(2, 6)),
        lambda: fake["ja_JP"].sentence(nb_words=number(2, 6)),
        lambda: fake["de_DE"].sentence(nb_words=number(2, 6)),
        lambda: f"{brand} {thing} {number(1, 9999)}",
        lambda: f"{brand} {rng.choice('ABCGXZ')}{number(10, 9999)}{rng.choice('ABX')}",
        lambda: f"{thing} under {number(1, 50) * 100}",
        lambda: f"{thing} {number(10, 90)}x{number(10, 90)}x{number(1, 40)} cm",
        lambda: f"{thing} {number(1950, 2026)}",
        lambda: f"{thing} {number(1950, 1999)}-{number(2000, 2026)}",
        lambda: f"best {thing} {number(2000, 2026)} {number(2, 20)} pack",
        lambda: f"{number(1, 28)}.{number(1, 12):02}.{number(1990, 2026)} {thing}",
        lambda: f"{number(1990, 2026)}-{number(1, 12):02}-{number(1, 28):02}",
        lambda: f"{number(1, 12)}/{number(1, 28)}/{number(1990, 2026)} game score",
        lambda: f"{thing} {number(1, 999)},{number(0, 99):02} €",
        lambda: f"${number(1, 999)},{number(0, 999):03}.{number(0, 99):02} {thing}",
        lambda: f"{number(1, 23)}:{number(0, 59):02}:{number(0, 59):02} {thing}",
        lambda: f"{number(1, 9)}.{number(0, 30)}.{number(0, 30)} release notes",
        lambda: f"{thing} {number(64, 8192)} gb ram {number(1, 9)}.{number(0, 9)} ghz",
        lambda: f"isbn {fake.isbn13()}",
        fake.isbn10,
        lambda: f"ean {fake.ean13()}",
        lambda: f"{number(1, 8)}-{number(1, 8)} {number(1, 8)}-{number(1, 8)} tennis",
        lambda: f"{fake.latitude()}, {fake.longitude()}",
        lambda: f"{fake['en_US'].postcode()} weather",
        lambda: f"{fake['en_US'].city()} to {fake['en_US'].city()} flight {number(100, 9999)}",
        lambda: f"#{fake.hex_color()[1:]} paint",
        lambda: f"episode {number(1, 24)} season {number(1, 12)}",
        lambda: f"#{thing} @{fake['en_US'].user_name()}",
        lambda: f"{fake['en_US'].first_name()} {fake['en_US'].last_name()} movies",
        fake.url,
        lambda: f"how to {thing} a {fake['en_US'].word()} in {number(2, 90)} minutes",
        lambda: f"population {number(1, 80)},{number(0, 999):03},{number(0, 999):03}",
        lambda: f"order {number(10**6, 10**8)}",
        lambda: f"{number(1, 9)}/{number(10, 16)} inch {thing} m{number(3, 20)}",
        lambda: f"{thing} v{number(1, 9)}.{number(0, 9)}",
        lambda: f"call of {thing} {number(1, 9)}",
    )
    return rng.choice(shapes)()


def main() -> None:
    rng = random.Random(SEED)
    lines = []
    for (kind, form), make in makers().items():
        for _ in range(EACH):
            sentence, value = rng.choice(SENTENCES), make(rng)
            if rng.random() < 0.08:
                value = value.translate(WIDE)
            text = sentence.format(value)
            lines.append({"kind": kind, "form": form, "text": text, "value": value})
    for text in [benign(rng) for _ in range(BENIGN)]:
        # Degrees were called benign when the set was drawn; now they are personal data.
        kind = "position" if POSITION.fullmatch(text) else None
        form, value = (kind, text) if kind else ("benign", "")
        lines.append({"kind": kind, "form": form, "text": text, "value": value})
    raw = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    TARGET.write_bytes(gzip.compress(raw.encode(), mtime=0))


if __name__ == "__main__":
    main()
