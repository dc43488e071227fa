"""Cached properties: computed when first asked for, kept with their object, and without a lock.

``functools.cached_property`` of Python 3.11 holds one lock for all objects of a class: while
one list waits for texts to be read, every other list of the process would wait as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class cached_property(Generic[T_co]):  # noqa: N801 - the name that everybody knows
    """What ``compute`` makes of an object, once for each that has a ``__dict__``.

    Threads that ask at the same time may each compute it, and one result is kept; so it has to
    be the same whoever computes it, as from Python 3.12 on.

    Args:
        compute: the method that it decorates.
    """

    def __init__(self, compute: Callable[[Any], T_co]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T_co: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T_co:
        """The value; a later access finds it in the object and does not come here."""
        if instance is None:
            return self
        value: T_co = vars(instance).setdefault(self._name, self._compute(instance))
        return value
