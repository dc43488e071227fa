"""Calls into the tokenizers library: whatever it raises, panics included, is a typed error.

A file that was checked may still hold what the library stumbles over. It then raises a bare
Exception, or a panic of Rust that no ``except Exception`` catches.
"""

from __future__ import annotations

from tokenizers import Tokenizer

from edge_rerank.errors import InferenceError, PackInvalid


def read_tokenizer(raw: bytes, name: str) -> Tokenizer:
    """The tokeniser of a pack's file.

    Raises:
        PackInvalid: when the library cannot read it.
    """
    try:
        return Tokenizer.from_buffer(raw)
    except BaseException as error:
        _pass_on(error)
        raise PackInvalid(f"{name}: not a tokeniser: {type(error).__name__}") from error


def token_ids(tokenizer: Tokenizer, text: str, *, special: bool = True) -> list[int]:
    """The tokens of a text.

    Args:
        tokenizer: reads it.
        text: any string; half an emoji cut off by the host becomes a question mark.
        special: whether tokens are added that no text has.

    Raises:
        InferenceError: when the library fails; the message has nothing of the text in it.
    """
    text = text.encode("utf-8", "replace").decode()
    try:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=special).ids
    except BaseException as error:
        _pass_on(error)
        raise InferenceError(f"the tokeniser failed: {type(error).__name__}") from None
    return ids


def _pass_on(error: BaseException) -> None:
    """Raise what is not the library's."""
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
        raise error
