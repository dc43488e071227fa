"""Discreet tracebacks: an error that leaves the package shows no variable of its frames.

Error monitors, ``traceback.TracebackException(capture_locals=True)`` and rich print the variables
of every frame of a traceback: the key, the person, the query. What the package raises therefore
has frames without variables; files and lines stay. A debugger that stops where an error is
raised, and the host's own frames, are not touched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import is_dataclass
from enum import Enum
from functools import wraps
from inspect import iscoroutinefunction
from types import FunctionType
from typing import Any, TypeVar

T = TypeVar("T")

_PACKAGE = __name__.partition(".")[0]
_SPECIAL_METHODS = frozenset({"__init__", "__call__"})

_wrapped_classes: set[type] = set()
"""A base that several classes share is wrapped once."""


def discreet(door: T) -> T:
    """Wrap a public function, or in place each public method of a public class and its bases.

    Args:
        door: what applications call; anything else is given back as it is.
    """
    if isinstance(door, FunctionType):
        return _wrapped(door)  # type: ignore[return-value]  # a function like the one given
    if not isinstance(door, type) or issubclass(door, Enum) or getattr(door, "_is_protocol", False):
        return door
    for kind in door.__mro__:
        if kind.__module__.partition(".")[0] == _PACKAGE and kind not in _wrapped_classes:
            _wrapped_classes.add(kind)
            _wrap_members(kind)
    return door


def empty_frames(error: BaseException, outer: BaseException | None) -> None:
    """Take the variables out of every frame that ``error`` and what led to it left behind.

    Args:
        error: was raised.
        outer: was being handled when the package was called, and is none of its business.
    """
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is None or one is outer or id(one) in seen:
            continue
        seen.add(id(one))
        step = one.__traceback__
        while step is not None:
            with suppress(RuntimeError):  # it is still running: this very one
                step.tb_frame.clear()
            step = step.tb_next
        pending += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions


def _wrap_members(kind: type) -> None:
    for name, member in list(vars(kind).items()):
        if name == "__init__" and _is_written_by_dataclasses(kind, member):
            continue
        if name in _SPECIAL_METHODS or not name.startswith("_"):
            wrapped = _wrapped_member(member)
            if wrapped is not member:
                setattr(kind, name, wrapped)


def _is_written_by_dataclasses(kind: type, init: FunctionType) -> bool:
    """Whether an ``__init__`` is one that only assigns: it calls and raises nothing.

    Several such values are made for each candidate; a door would be most of what they cost.
    """
    written = is_dataclass(kind) and init.__code__.co_filename == "<string>"
    return written and not hasattr(kind, "__post_init__")


def _wrapped_member(member: Any) -> Any:
    if isinstance(member, FunctionType):
        return _wrapped(member)
    if isinstance(member, classmethod | staticmethod):
        return type(member)(_wrapped(member.__func__))
    if isinstance(member, property) and member.fget is not None:
        return property(_wrapped(member.fget), member.fset, member.fdel, member.__doc__)
    return member


def _wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def door(*args: Any, **options: Any) -> Any:
        outer = sys.exception()
        try:
            return call(*args, **options)
        except BaseException as error:
            del args, options
            empty_frames(error, outer)
            del outer
            raise

    @wraps(call)
    async def async_door(*args: Any, **options: Any) -> Any:
        outer = sys.exception()
        try:
            return await call(*args, **options)
        except BaseException as error:
            del args, options
            empty_frames(error, outer)
            del outer
            raise

    return async_door if iscoroutinefunction(call) else door
