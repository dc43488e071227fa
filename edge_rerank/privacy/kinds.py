"""Kinds of personal data that are taken out of free text."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The kinds that are taken out; the value is what stands in brackets instead."""

    ACCESS_TOKEN = "token"  # noqa: S105 - a label
    EMAIL = "email"
    IP_ADDRESS = "ip"
    IBAN = "iban"
    PAYMENT_CARD = "card"
    NATIONAL_ID = "id"
    PHONE = "phone"
    LICENCE_PLATE = "plate"
    POSITION = "position"
    POSTAL_ADDRESS = "address"
    ACCOUNT = "account"
