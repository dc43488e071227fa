"""What goes to a device of a fleet and comes from it, as members of Flower's records."""

from __future__ import annotations

from flwr.app import ConfigRecord, Message, RecordDict

from edge_rerank_export.errors import RecipeError

ROUND, SEALED = "round", "sealed"
"""The terms that go to a device, and what comes from it."""

_PRIOR = "prior/"


def asked(message: Message) -> tuple[str, dict[str, bytes]]:
    """The terms of a round, and the files of the prior that heads begin with in it, by name.

    Raises:
        RecipeError: when the message is no question of a fleet's.
    """
    records = list(message.content.config_records.values()) if message.has_content() else []
    config = records[0] if len(records) == 1 else ConfigRecord()
    terms = config.get(ROUND)
    if not isinstance(terms, str):
        raise RecipeError("round: expected one record with its terms as text")
    prior = {
        name.removeprefix(_PRIOR): content
        for name, content in config.items()
        if name.startswith(_PRIOR) and isinstance(content, bytes)
    }
    return terms, prior


def ask(config: ConfigRecord, terms: str, prior: dict[str, bytes]) -> None:
    """Put a round's terms and its prior's files into a question."""
    config[ROUND] = terms
    for name, content in prior.items():
        config[_PRIOR + name] = content


def answered(message: Message, sealed: bytes) -> Message:
    """A device's answer: sealed bytes, and nothing else."""
    return Message(content=RecordDict({SEALED: ConfigRecord({SEALED: sealed})}), reply_to=message)
