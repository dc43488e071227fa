"""Makes ``heldout_more.jsonl.gz``: kinds and forms that came after ``heldout.jsonl.gz``.

Run it as ``python tests/privacy/make_heldout_more.py``; it needs Faker, phonenumbers and
python-stdnum. Lines are as in :mod:`tests.privacy.make_heldout`, whose sentences are used. Plates,
passports, addresses and names of accounts come from Faker, numbers with check digits are drawn
until python-stdnum calls them valid. Benign queries are made of words of five fields in eight
languages, with the words that stand before personal data among them.
"""

# ruff: noqa: E501 - a pattern reads better whole

from __future__ import annotations

import gzip
import importlib
import json
import random
import string
import sys
from collections.abc import Callable
from pathlib import Path

from faker import Faker

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.privacy.make_heldout import SENTENCES

SEED = 20261129
EACH = 100
BENIGN = 4000
TARGET = Path(__file__).with_name("heldout_more.jsonl.gz")

Maker = Callable[[random.Random], tuple[str, str]]
"""Gives what stands in the sentence, and the part of it that must go."""

AT_AND_DOT = {
    "en": ("at", "dot"),
    "de": ("ät", "punkt"),
    "de-at": ("at", "punkt"),
    "fr": ("chez", "point"),
    "fr-a": ("arobase", "point"),
    "es": ("arroba", "punto"),
    "pt": ("arroba", "ponto"),
    "it": ("chiocciola", "punto"),
    "nl": ("apenstaartje", "punt"),
    "pl": ("małpa", "kropka"),
    "cs": ("zavináč", "tečka"),
    "ru": ("собака", "точка"),
    "hu": ("kukac", "pont"),
    "sv": ("snabel-a", "punkt"),
    "zh": ("艾特", "点"),
    "ja": ("アットマーク", "ドット"),
    "ko": ("골뱅이", "점"),
}
PLATE_WORDS = {
    "en_US": "license plate",
    "en_GB": "number plate",
    "de_DE": "Kennzeichen",
    "fr_FR": "immatriculation",
    "es_ES": "matrícula",
    "it_IT": "targa",
    "nl_NL": "kenteken",
    "pl_PL": "numer rejestracyjny",
    "ru_RU": "госномер",
    "sv_SE": "registreringsnummer",
    "pt_BR": "placa",
    "tr_TR": "plaka",
    "zh_CN": "车牌号",
    "ko_KR": "차량번호",
    "ja_JP": "ナンバープレート",
    "en_IN": "vehicle registration number",
}
PASSPORT_WORDS = (
    "passport {}",
    "passport number {}",
    "passport no. {}",
    "my passport number is {}",
    "Reisepass {}",
    "Reisepassnummer {}",
    "Reisepass Nr. {}",
    "passeport n° {}",
    "numéro de passeport {}",
    "pasaporte {}",
    "número de pasaporte {}",
    "passaporto numero {}",
    "paspoort {}",
    "paszport nr {}",
    "паспорт {}",
    "номер паспорта {}",
    "护照号码{}",
    "护照 {}",
    "護照號碼{}",
    "パスポート番号{}",
    "여권번호 {}",
    "passport: {}",
)
ACCOUNT_WORDS = {
    "wechat": (
        "微信{}",
        "微信号{}",
        "微信：{}",
        "加微信 {}",
        "wechat {}",
        "wechat id {}",
        "my wechat is {}",
        "WeChat: {}",
        "vx {}",
        "wx:{}",
        "薇信{}",
    ),
    "qq": ("QQ{}", "qq {}", "QQ号{}", "qq：{}", "加QQ {}", "my QQ is {}", "QQ群 {}", "扣扣{}"),
    "telegram": ("telegram @{}", "telegram: {}", "my telegram is @{}", "tg @{}"),
}
VALIDATED = {
    "BR": ("br.cpf", 11),
    "IN": ("in_.aadhaar", 12),
    "CH": ("ch.ssn", 13),
    "CZ": ("cz.rc", 10),
    "RO": ("ro.cnp", 13),
    "NO": ("no.fodselsnummer", 11),
    "TR": ("tr.tckimlik", 11),
    "ZA": ("za.idnr", 13),
    "EE": ("ee.ik", 11),
    "LT": ("lt.asmens", 11),
    "CL": ("cl.rut", 9),
    "KR": ("kr.rrn", 13),
}
FORMATS = {
    "BR": ("###.###.###-##", "###########"),
    "IN": ("#### #### ####",),
    "CH": ("###.####.####.##", "### #### #### ##"),
    "CZ": ("######/####",),
    "RO": ("#############",),
    "NO": ("###### #####", "###########"),
    "TR": ("###########",),
    "ZA": ("#############",),
    "EE": ("###########",),
    "LT": ("###########",),
    "CL": ("##.###.###-#",),
    "KR": ("######-#######",),
}


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def dated(rng: random.Random, form: str) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(0, 99)
    return form.format(d=day, m=month, y=year)


STARTS = {
    "CH": "756",
    "CZ": "{y:02}{m:02}{d:02}",
    "RO": "1{y:02}{m:02}{d:02}",
    "NO": "{d:02}{m:02}{y:02}",
    "ZA": "{y:02}{m:02}{d:02}",
    "EE": "3{y:02}{m:02}{d:02}",
    "LT": "4{y:02}{m:02}{d:02}",
    "KR": "{y:02}{m:02}{d:02}1",
}


def national(region: str) -> Maker:
    module, size = VALIDATED[region]
    oracle = importlib.import_module(f"stdnum.{module}")

    def make(rng: random.Random) -> tuple[str, str]:
        while True:
            start = dated(rng, STARTS.get(region, ""))
            text = start + digits(rng, size - len(start))
            if oracle.is_valid(text):
                signs = iter(text)
                form = rng.choice(FORMATS[region])
                value = "".join(next(signs) if sign == "#" else sign for sign in form)
                return value, value

    return make


def spelt(language: str) -> Maker:
    at, dot = AT_AND_DOT[language]

    def make(rng: random.Random) -> tuple[str, str]:
        name = rng.choice(("jane", "m.mueller", "anna_k", "lee2002", "pierre", "k-nowak", "ivan77"))
        host = rng.choice(("example", "mail", "firma-nord", "gmail", "posteo", "web"))
        top = rng.choice(("com", "org", "de", "net", "fr", "cn"))
        sign = rng.choice(
            (("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"), (" ", " "), (" (", ") "))
        )
        if language in {"zh", "ja", "ko"}:
            sign = rng.choice((sign, ("", "")))
        value = f"{name}{sign[0]}{at}{sign[1]}{host}{sign[0]}{dot}{sign[1]}{top}"
        if sign[0].strip() and rng.random() < 0.3:
            value = f"{name}{sign[0]}{at}{sign[1]}{host}.{top}"
        return value, value

    return make


def plate(locale: str, fake: Faker) -> Maker:
    def make(rng: random.Random) -> tuple[str, str]:
        value = in_india(rng) if locale == "en_IN" else fake.license_plate()
        between = "" if locale in {"zh_CN", "ja_JP"} else " "
        text = f"{PLATE_WORDS[locale]}{between}{value}"
        return (text.lower() if rng.random() < 0.2 else text), value

    return make


def in_india(rng: random.Random) -> str:
    letters = "".join(rng.choice(string.ascii_uppercase) for _ in range(2))
    return f"{rng.choice(('MH', 'DL', 'KA'))} {rng.randint(10, 50)} {letters} {rng.randint(1000, 9999)}"


def alone(region: str) -> Maker:
    """Plates that are found without a word."""
    latin = "ABCDEFGHJKLMNPRSTVWXYZ"

    def make(rng: random.Random) -> tuple[str, str]:
        def some(count: int) -> str:
            return "".join(rng.choice(latin) for _ in range(count))

        value = {
            "CN": lambda: (
                f"{rng.choice('京沪粤苏浙川')}{some(1)}{rng.choice(('', '·'))}{digits(rng, 5)}"
            ),
            "DE": lambda: (
                f"{rng.choice(('B', 'M', 'HH', 'KA', 'MTK'))}-{some(2)} {rng.randint(1, 9999)}"
            ),
            "GB": lambda: f"{some(2)}{rng.randint(10, 75)} {some(3)}",
            "FR": lambda: f"{some(2)}-{digits(rng, 3)}-{some(2)}",
            "IN": lambda: in_india(rng),
            "KR": lambda: f"{digits(rng, 3)}{rng.choice('가나다라마')} {digits(rng, 4)}",
        }[region]()
        return value, value

    return make


def position(rng: random.Random) -> tuple[str, str]:
    latitude, longitude = rng.uniform(-89, 89), rng.uniform(-179, 179)
    north, east = rng.uniform(0, 89), rng.uniform(0, 179)
    minutes = [rng.randint(0, 59) for _ in range(4)]
    shapes = (
        f"{latitude:.5f}, {longitude:.5f}",
        f"{latitude:.6f},{longitude:.6f}",
        f"{latitude:.4f} {longitude:.4f}",
        f"geo:{latitude:.4f},{longitude:.4f}",
        f"https://maps.example/@{latitude:.6f},{longitude:.6f},17z",
        f"{int(north)}°{minutes[0]}'{minutes[1]}\"N {int(east)}°{minutes[2]}'{minutes[3]}\"E",
        f"{north:.4f}° N, {east:.4f}° E",
        f"lat {latitude:.4f} lon {longitude:.4f}",
        f"纬度{north:.5f}，经度{east:.5f}",
        f"{''.join(rng.choice('23456789CFGHJMPQRVWX') for _ in range(8))}+{''.join(rng.choice('23456789CFGHJMPQRVWX') for _ in range(2))}",
    )
    value = rng.choice(shapes)
    return value, value.removeprefix("https://maps.example/@").removesuffix(",17z")


def passport(fakes: dict[str, Faker]) -> Maker:
    def make(rng: random.Random) -> tuple[str, str]:
        fake = fakes[
            rng.choice(("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "ru_RU", "zh_CN"))
        ]
        value = rng.choice((fake.passport_number(), f"{rng.choice('EGK')}{digits(rng, 8)}"))
        return rng.choice(PASSPORT_WORDS).format(value), value

    return make


def account(service: str) -> Maker:
    def make(rng: random.Random) -> tuple[str, str]:
        stem = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(4, 9)))
        value = stem + rng.choice((digits(rng, 2), f"_{digits(rng, 3)}", digits(rng, 4)))
        if service == "qq":
            value = rng.choice("123456789") + digits(rng, rng.randint(5, 9))
        return rng.choice(ACCOUNT_WORDS[service]).format(value), value

    return make


def address(locale: str, fake: Faker) -> Maker:
    def make(rng: random.Random) -> tuple[str, str]:
        while True:
            value = ", ".join(fake.address().splitlines())
            if any(map(str.isdigit, value)) and not value.startswith(
                ("PSC", "Unit", "USNS", "USNV", "USS", "USCGC")
            ):
                return value, value

    return make


def url_token(rng: random.Random) -> tuple[str, str]:
    def some(alphabet: str, low: int, high: int) -> str:
        return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))

    lower = string.ascii_lowercase + string.digits
    mixed = string.ascii_letters + string.digits
    host = rng.choice(("example.com", "shop.example.org", "app.example.net/x"))
    value = rng.choice((some(lower, 12, 40), some(mixed, 10, 48), some("0123456789abcdef", 16, 64)))
    name = rng.choice(
        (
            "token",
            "access_token",
            "sig",
            "X-Amz-Signature",
            "api_key",
            "apikey",
            "session",
            "sid",
            "auth",
            "code",
            "reset_token",
            "key",
            "password",
            "ticket",
            "jwt",
        )
    )
    step = rng.choice(
        (
            "reset",
            "verify",
            "confirm",
            "invite",
            "magic-link",
            "reset-password",
            "unsubscribe",
            "webhooks",
        )
    )
    text = rng.choice(
        (
            f"https://{host}/a?{name}={value}",
            f"https://{host}?lang=de&{name}={value}&x=1",
            f"http://{host}/cb#{name}={value}",
            f"https://{host}/{step}/{value}",
            f"https://{host}/user/{step}/{value}?x=1",
            f"https://anna:{value}@{host}/",
            f"{host}?{name}={value}",
        )
    )
    return text, value


def makers() -> dict[tuple[str, str], Maker]:
    locales = (
        "en_US",
        "en_GB",
        "de_DE",
        "fr_FR",
        "es_ES",
        "it_IT",
        "nl_NL",
        "pl_PL",
        "zh_CN",
        "ja_JP",
        "ko_KR",
        "ru_RU",
        "sv_SE",
        "pt_BR",
        "tr_TR",
        "en_IN",
    )
    fakes = {locale: Faker(locale) for locale in locales}
    for number, fake in enumerate(fakes.values()):
        fake.seed_instance(SEED + number)
    table: dict[tuple[str, str], Maker] = {
        ("email", f"spelt {one}"): spelt(one) for one in AT_AND_DOT
    }
    table |= {("id", region): national(region) for region in VALIDATED}
    table["id", "passport"] = passport(fakes)
    table["token", "url"] = url_token
    table["position", "position"] = position
    table |= {("account", service): account(service) for service in ACCOUNT_WORDS}
    table |= {("plate", f"{one} after a word"): plate(one, fakes[one]) for one in PLATE_WORDS}
    table |= {("plate", f"{one} alone"): alone(one) for one in ("CN", "DE", "GB", "FR", "IN", "KR")}
    table |= {
        ("address", one): address(one, fakes[one])
        for one in ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "sv_SE", "zh_CN")
    }
    return table


FIELDS = {
    "en": ("running shoes size {n}", "passport holder leather", "passport photo {n} by {n}", "license plate frame {y}", "license plate game rules", "wechat download for pc", "wechat pay tutorial {y}", "qq browser {v}", "python course part {n}", "data science course {y} week {n}", "token ring vs ethernet", "secret garden book {n}", "call of duty {n} review", "gta {n} cheats ps{n}", "baldurs gate 3 patch {v}", "elden ring level {m}", "election results {y}", "interest rate {d} percent", "main street movie {y}", "route {n} road trip", "10 downing street news", "baker street 221b book", "m3 macbook {n} gb", "how to get a passport in {n} weeks", "number plate light bulb w5w", "look at the stars chapter {n}", "at home workouts dot com bubble", "telegram desktop {v}", "discord server ideas {y}", "5th avenue {y} fashion", "lat pulldown {n} kg", "geo quiz {n}", "iphone {n} pro {m} gb", "samsung s{n} ultra 5g", "nike air max {m} black", "lego {k} set", "ssd {n} tb nvme", "{n} x {n} cm picture frame", "usb-c to hdmi {n}k", "wh-1000xm{n} headphones", "rtx {k} vs rx {k}", "season {n} episode {n}", "promo code SUMMER{n}", "https://example.com/blog/how-to-bake-bread-{y}", "https://example.com/p/{k}?page={n}&sort=price", "utm_source=newsletter&utm_campaign=spring{y}", "id card printer", "identity card case"),
    "de": ("laufschuhe größe {n}", "reisepass hülle", "reisepass beantragen dauer {n} wochen", "kennzeichenhalter edelstahl {n}", "kfz kennzeichen halterung", "hauptstraße krimi band {n}", "am ring {n} film", "python kurs teil {n}", "bundestagswahl {y} ergebnis", "staubsauger bis {m} euro", "bosch gsr 18v-{n}", "smart tv {n} zoll", "wohnung berlin {n} zimmer", "handy mit {m} gb", "nummernschild lampe", "weg mit dem speck {y}", "punkt punkt komma strich", "spiel des jahres {y}", "b-ware laptop {m}", "a-klasse w{m} teile"),
    "fr": ("chaussures taille {n}", "passeport étui cuir", "plaque immatriculation moto {y}", "rue de la paix film {y}", "cours de python niveau {n}", "élections {y} résultats", "point de croix modèle {n}", "chez nous saison {n}", "place {n} concert"),
    "es": ("zapatillas talla {n}", "pasaporte funda", "matrícula universidad {y}", "calle {n} canción", "curso de excel nivel {n}", "punto y coma {y}", "plaza sésamo {y}", "placa base am{n}"),
    "it": ("scarpe numero {n}", "targa da interni {y}", "via col vento {y}", "corso di cucina {n} lezioni", "passaporto custodia", "punto croce {n}"),
    "nl": ("hardloopschoenen maat {n}", "paspoort hoesje", "kenteken opzoeken {y}", "punt gehaakt {n}"),
    "zh": ("跑步鞋{n}码", "护照夹{n}个", "护照办理流程{y}", "车牌架{n}", "微信支付教程{y}", "微信读书会员{n}元", "QQ音乐{v}下载", "长安街历史{y}", "手机{m}GB", "第{n}季第{n}集", "{y}年考研英语", "初中数学{n}年级上册", "人民路歌词", "Python入门{n}讲", "原神{v}攻略", "王者荣耀{n}段位", "北京市{y}年天气", "电视机{n}寸", "2号线地铁图", "京东{n}折"),
    "ja": ("ランニングシューズ {n}cm", "パスポートケース", "ナンバープレート 枠 {n}", "東京都の天気 {n}月", "{n}丁目の猫 漫画", "英語 講座 {n}回", "ドット絵 {n}x{n}", "アットコスメ ランキング {y}"),
}  # fmt: skip


def benign(rng: random.Random) -> str:
    shape = rng.choice(
        FIELDS[rng.choice(("en", "en", "en", "de", "de", "zh", "zh", "zh", *FIELDS))]
    )
    text = shape
    for sign, low, high in (
        ("{n}", 1, 48),
        ("{y}", 1950, 2026),
        ("{m}", 50, 1024),
        ("{k}", 1000, 99999),
    ):
        while sign in text:
            text = text.replace(sign, str(rng.randint(low, high)), 1)
    text = text.replace("{v}", f"{rng.randint(1, 12)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}")
    text = text.replace("{d}", f"{rng.randint(0, 9)}.{rng.randint(0, 99):02}")
    words = text.split(" ")
    if rng.random() < 0.3:
        words.append(
            rng.choice(("cheap", "best", "review", "kaufen", "test", "推荐", "2 for 1", "50% off"))
        )
    return " ".join(words)


def main() -> None:
    rng = random.Random(SEED)
    lines = []
    for (kind, form), make in makers().items():
        for _ in range(EACH):
            text, value = make(rng)
            sentence = rng.choice(SENTENCES)
            lines.append(
                {"kind": kind, "form": form, "text": sentence.format(text), "value": value}
            )
    lines += [
        {"kind": None, "form": "benign", "text": benign(rng), "value": ""} for _ in range(BENIGN)
    ]
    raw = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    TARGET.write_bytes(gzip.compress(raw.encode(), mtime=0))


if __name__ == "__main__":
    main()
