"""What all objects share: a handle, and the kind of error that XGrammar's users catch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import maskwright
from maskwright.compat.xgrammar.exception import DeserializeFormatError, DeserializeVersionError, InvalidJSONError
from maskwright.exceptions import MaskwrightError


class XGRObject:
    """Holds the object of this engine that does the work. Objects are equal when what they hold is."""

    __handle: Any

    @classmethod
    def _create_from_handle(cls, handle: Any) -> Self:
        made = cls.__new__(cls)
        made.__handle = handle
        return made

    def _init_handle(self, handle: Any) -> None:
        self.__handle = handle

    @property
    def _handle(self) -> Any:
        return self.__handle

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, XGRObject):
            return NotImplemented
        return bool(self._handle == other._handle)

    __hash__ = None  # type: ignore[assignment]


@contextmanager
def runtime_errors() -> Iterator[None]:
    """XGrammar's errors are ``RuntimeError``; ours, where they are not, become the cause of one."""
    try:
        yield
    except MaskwrightError as error:
        if isinstance(error, RuntimeError):
            raise
        raise RuntimeError(str(error)) from error


@contextmanager
def deserialize_errors() -> Iterator[None]:
    """The same for what is read: XGrammar's errors have the names of ours, and say less about a tokenizer."""
    try:
        with runtime_errors():
            yield
    except RuntimeError as error:
        cause = error.__cause__
        if isinstance(cause, maskwright.InvalidJSONError):
            raise InvalidJSONError(str(cause)) from cause
        if isinstance(cause, maskwright.DeserializeVersionError):
            raise DeserializeVersionError(str(cause)) from cause
        if isinstance(cause, maskwright.DeserializeError):
            raise DeserializeFormatError(str(cause)) from cause
        raise
