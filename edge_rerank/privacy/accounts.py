"""Names of accounts by which a person is reached: WeChat, QQ, Telegram, LINE and others."""

# ruff: noqa: E501 - a pattern reads better whole

from __future__ import annotations

import re

WORDS = re.compile(
    "微信|威信|薇信|微 信|v信|wechat|weixin|vx|wx|qq|扣扣|企鹅号|telegram|телеграм|line id|kakaotalk|kakao id|카톡"
    "|skype|snapchat|discord|threema|signal id|tg"
)
"""Words, in lower case, after which an account's name may follow."""

VALUE = re.compile(
    r"(?P<sure>[ ]?(?:号码|账号|帐号|id|号|アカウント|아이디|account|user ?name|handle|contact)?"
    r"[ ]?(?:是|为|は|[:：=]|is|ist|=)[ ]{0,2})?"
    r"(?:[ ]?(?:号码|账号|帐号|id|号|me|account|群|加|call|add|contact)[ ]?|[ ]){0,2}"
    r"(?P<name>@?(?:live:)?(?=[0-9A-Za-z._\-#]{5})[1-9A-Za-z][0-9A-Za-z._\-]{3,31}(?:\#\d{4})?)"
    r"(?<![.\-])(?![0-9A-Za-z@]|[.\-][0-9A-Za-z])",
    re.IGNORECASE,
)
"""What follows one of :data:`WORDS`; the group "name" is the account, see :func:`is_account`."""

_HANDLE = re.compile(r"[._\-#]?[A-Za-z]+[._\-]?\d|\d[a-z]|_", re.IGNORECASE)
_FEWEST_QQ_DIGITS = 5
_MOST_QQ_DIGITS = 11
_VERSION = re.compile(r"v?\d+(?:\.\d+)+|(?:19|20)\d\d|\d+(?:mb|gb|p|k)", re.IGNORECASE)


def is_account(match: re.Match[str]) -> bool:
    """Whether what :data:`VALUE` found is an account and not another word of the query."""
    name = match["name"]
    if _VERSION.fullmatch(name):
        return False
    if name.isdigit():
        return _FEWEST_QQ_DIGITS <= len(name) <= _MOST_QQ_DIGITS
    return match["sure"] is not None or name.startswith("@") or _HANDLE.search(name) is not None
