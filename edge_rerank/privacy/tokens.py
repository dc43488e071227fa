"""Access tokens: forms that their issuers made recognisable, and strings that look random."""

from __future__ import annotations

import re
from collections import Counter
from math import log2

_START = r"(?<![0-9A-Za-z_])"

KNOWN = re.compile(
    _START
    + r"(?:"
    + r"|".join(
        (
            r"eyJ[\w-]{8,4096}\.[\w-]{4,4096}(?:\.[\w-]{0,4096}){0,3}",  # JWT, JWE
            r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|A3T[A-Z0-9])[A-Z0-9]{16}",  # AWS
            r"(?:gh[pousr]_|github_pat_)\w{20,255}",  # GitHub
            r"(?:glpat|gldt|glrt|glcbt)-[\w.-]{20,64}",  # GitLab
            r"xox[abeoprs](?:\.xox[bp])?-[\w-]{10,255}|xapp-[\w-]{10,255}",  # Slack
            r"(?:sk|pk|rk)[_-][\w-]{16,255}",  # Stripe, model services
            r"AIza[\w-]{35}|ya29\.[\w-]{20,255}|GOCSPX-[\w-]{20,64}",  # Google
            r"(?:npm|hf|pypi|dop_v1|doo_v1|shpat|shpss|shppa|lin_api|dckr_pat|atlasv1|secret|ntn|key)"
            r"[_-][\w-]{20,255}",
            r"SG\.[\w-]{16,32}\.[\w-]{16,64}",  # SendGrid
            r"(?:EAA|EAAC)[0-9A-Za-z]{30,255}",  # Meta
            r"sq0(?:atp|csp)-[\w-]{22,64}",  # Square
            r"\d{8,10}:[\w-]{35}",  # Telegram
            r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}",  # Discord
            r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
        )
    )
    + r")"
)

PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\w+/=\s-]{0,8192}")

WORDS = re.compile(
    "bearer|basic|api key|api_key|api-key|apikey|access key|access_key|access-key|accesskey"
    "|secret|token|password|passwd|pwd|passwort|contraseña|mot de passe|密码|密碼|パスワード"
)
"""Words, in lower case, after which anything with digits and letters is a secret."""

VALUE = re.compile(
    r"[\"']?(?:[ ]?(?:is|ist|为|是))?[ ]?[=:][ ]?[\"']?([^\x00- \"',;]{8,512})"
    r"|[ ]([^\x00- \"',;]{16,512})"
)
"""What follows one of :data:`WORDS`; group 1, or 2 without a colon, is the secret."""

PARAMETER = re.compile(
    r"[?&#;](?:[\w.\-]{0,24}(?:token|key|secret|sig|signature|sign|auth|authorization|session|sess"
    r"|sessionid|sid|password|passwd|pwd|pass|ticket|jwt|otp|code|hash|credential|nonce|verifier"
    r"|invite|reset|confirmation|verification|magic)|t|s|k|st|sv|pw)(?:\[\])?=([^&#\s\"'<>]{8,1024})",
    re.IGNORECASE,
)
"""A parameter of a URL by whose name its value is a secret; group 1 is the value."""

PATH = re.compile(
    r"/(?:reset|resets|reset-password|password-reset|verify|verification|confirm|confirmation|invite"
    r"|invites|invitation|join|magic|magic-link|login|signin|auth|token|tokens|activate|activation"
    r"|unsubscribe|hooks?|webhooks?|services|api|oauth|callback|session|access|share|shared|private)"
    r"(?:/[A-Z][0-9A-Z]{7,11}){0,2}/([\w\-.~]{10,512})",
)
"""A step of a URL's path after which comes a secret; group 1 is the secret."""

USER = re.compile(r"://([^\s/:@]{0,64}:[^\s/@]{1,128})@")
"""Name and password in a URL; group 1 is both."""

RUN = re.compile(r"[0-9A-Za-z_+/=~.:\-]{15,}")
"""Where :data:`KNOWN` is looked for, and what may be random: :func:`random_part` decides."""

_CHANGE = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_SURE_CHANGES = 3
_WORD_AND_NUMBER = re.compile(r"[A-Za-z]+\d{1,4}|\d{1,4}[A-Za-z]+")
_URL_BITS = 2.8

_PIECE = re.compile(r"[0-9A-Za-z+/]{20,512}={0,2}")
_PREFIXED = re.compile(r"[A-Za-z][A-Za-z0-9]{1,11}[_\-][A-Za-z0-9_]{0,12}?([0-9A-Za-z]{16,512})$")
_WORD = re.compile(r"[A-Z]?[a-z]{3,}|\d{4,}")
_DIGIT = re.compile(r"[0-9]")
_LETTER_OR_SIGN = re.compile(r"[^\d.\-]")
_HEX = re.compile(r"[0-9a-f]{32,512}|[0-9A-F]{32,512}")


def random_part(run: str) -> bool:
    """Whether a run without spaces holds something that no one would search for.

    Thresholds: 20 random characters of 62 have 3.9 bits of entropy a character on
    average and hold three kinds of characters nearly always; words do not.
    """
    prefixed = _PREFIXED.match(run)
    if prefixed is not None and (_mixed(prefixed[1], bits=3.0) or _wild_letters(prefixed[1])):
        return True
    for piece in _PIECE.findall(run):
        if _HEX.fullmatch(piece) and _mixed(piece, bits=2.5):
            return True
        if _three_kinds(piece) and _mixed(piece, bits=3.5):
            return True
    return False


def issued(text: str) -> bool:
    """Whether ``text`` is of a form in :data:`KNOWN`, and random: "secret-garden-..." is not."""
    known = KNOWN.fullmatch(text)
    return known is not None and 2 * len(_WORD.sub("", text)) >= len(text)


def in_url(text: str) -> bool:
    """Whether a part of a URL is a secret and not a word, a year or a title in hyphens."""
    if _wild_letters(text):
        return True
    changes = len(_CHANGE.findall(text))
    if "-" in text and changes * 8 < len(text):
        return False
    return changes >= _SURE_CHANGES or (
        changes > 0 and _WORD_AND_NUMBER.fullmatch(text) is None and _entropy(text) >= _URL_BITS
    )


def secret_value(value: str) -> bool:
    """Whether what follows "token" or "password:" is more than a word."""
    more_than_digits = _LETTER_OR_SIGN.search(value) is not None
    return (more_than_digits and _DIGIT.search(value) is not None) or _wild_letters(value)


def _mixed(text: str, *, bits: float) -> bool:
    digits = sum(map(str.isdigit, text))
    return 0 < digits < len(text) and _entropy(text) >= bits


def _three_kinds(text: str) -> bool:
    """Upper and lower case and digits, and not mostly CamelCase words and a year."""
    kinds = {0 if c.isdigit() else 1 if c.isupper() else 2 for c in text if c.isalnum()}
    return len(kinds) == 3 and 2 * len(_WORD.sub("", text)) >= len(text)


def _wild_letters(text: str) -> bool:
    """Sixteen letters or more of both cases that are not mostly words."""
    both = text.upper() != text != text.lower()
    return both and len(text) >= 16 and 2 * len(_WORD.sub("", text)) >= len(text)


def _entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * log2(count / len(text)) for count in counts)
