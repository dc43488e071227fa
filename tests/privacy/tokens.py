"""Access tokens for the held-out set, made when the test runs.

Forms from their issuers' documentation; the random part is drawn, so none was ever valid.
"""

from __future__ import annotations

import base64
import json
import random
import string

_ALNUM = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase + string.digits
_URL = _ALNUM + "_-"


def make(rng: random.Random) -> tuple[str, str]:
    """A form's name and a token of it."""

    def text(alphabet: str, size: int) -> str:
        return "".join(rng.choice(alphabet) for _ in range(size))

    def jwt() -> str:
        parts = (
            {"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"},
            {"sub": text(_ALNUM, 8), "iat": rng.randrange(10**9, 2 * 10**9)},
        )
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
        body = ".".join(part.decode().rstrip("=") for part in encoded)
        return f"{body}.{text(_URL, rng.choice((43, 86, 342)))}"

    forms = {
        "jwt": jwt,
        "aws": lambda: rng.choice(("AKIA", "ASIA")) + text(_UPPER, 16),
        "github": lambda: rng.choice(("ghp_", "gho_", "ghs_", "ghu_", "ghr_")) + text(_ALNUM, 36),
        "github-pat": lambda: f"github_pat_{text(_ALNUM, 22)}_{text(_ALNUM, 59)}",
        "gitlab": lambda: "glpat-" + text(_URL, 20),
        "slack": lambda: (
            f"xoxb-{text(string.digits, 12)}-{text(string.digits, 12)}-{text(_ALNUM, 24)}"
        ),
        "stripe": lambda: rng.choice(("sk_live_", "pk_test_", "rk_live_")) + text(_ALNUM, 24),
        "google": lambda: "AIza" + text(_URL, 35),
        "npm": lambda: "npm_" + text(_ALNUM, 36),
        "model-hub": lambda: "hf_" + text(string.ascii_letters, 34),
        "sendgrid": lambda: f"SG.{text(_URL, 22)}.{text(_URL, 43)}",
        "prefixed": lambda: f"{text(string.ascii_lowercase, rng.randint(2, 6))}_{text(_ALNUM, 32)}",
        "prefixed-hex": lambda: f"key-{text('0123456789abcdef', 32)}",
        "bearer": lambda: "Bearer " + text(_URL, 40),
        "assigned": lambda: rng.choice(("api_key=", "token: ", "secret=")) + text(_ALNUM, 24),
        "hex": lambda: text("0123456789abcdef", rng.choice((32, 40, 64))),
    }
    name = rng.choice(sorted(forms))
    return name, forms[name]()
