"""JSON-RPC 2.0 on standard input and output, a message or a batch a line.

https://www.jsonrpc.org/specification. Calls are answered one after the other, in their order.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, BinaryIO

from edge_rerank._check import kind_of
from edge_rerank.serve.refusals import Refusal, invalid_call, parse_error, refusal_of, too_large
from edge_rerank.serve.service import Service
from edge_rerank.serve.wire import MAX_BYTES, parse, render

MAX_BATCH = 1_000
"""Calls in one line."""

_MISSING = object()


class Stopped(Exception):  # noqa: N818 - it is no error
    """Somebody asked the process to end."""


class StdioServer:
    """Answers what comes on ``source``.

    Args:
        service: does the work.
        source: lines of JSON.
        target: gets the answers.
    """

    def __init__(self, service: Service, source: BinaryIO, target: BinaryIO) -> None:
        self._service = service
        self._source = source
        self._target = target
        self._waiting = False
        self._stopped = False

    def run(self) -> None:
        """Answer until the input ends, the reader of the answers has gone, or :meth:`stop`."""
        with suppress(Stopped, BrokenPipeError):
            for line in self._lines():
                answer = self._too_long() if line is None else self.answer(line)
                if answer:
                    self._target.write(answer + b"\n")
                    self._target.flush()

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """End :meth:`run` before the next line; a handler of signals."""
        del number, frame
        self._stopped = True
        if self._waiting:
            raise Stopped

    def answer(self, line: bytes) -> bytes:
        """What to answer to a line, empty where nothing is to be answered."""
        try:
            message = parse(line)
        except (ValueError, RecursionError) as wrong:
            return render(_failed(None, refusal_of(parse_error(wrong))))
        if not isinstance(message, list):
            answer = self._call(message)
            return b"" if answer is None else render(answer)
        if not 0 < len(message) <= MAX_BATCH:
            error = invalid_call(f"batch: expected 1 to {MAX_BATCH} calls, got {len(message)}")
            return render(_failed(None, refusal_of(error)))
        answers = [answer for call in message if (answer := self._call(call)) is not None]
        return render(answers) if answers else b""

    def _call(self, call: object) -> dict[str, Any] | None:
        """The answer to one call, ``None`` for a notification."""
        name = call.get("id", _MISSING) if isinstance(call, dict) else _MISSING
        try:
            method, params = _method_of(call)
        except Exception as error:
            return _failed(_printable(name), refusal_of(error))
        try:
            result = self._service.call(method, params)
        except Exception as error:
            return None if name is _MISSING else _failed(name, refusal_of(error))
        return None if name is _MISSING else {"jsonrpc": "2.0", "id": name, "result": result}

    def _lines(self) -> Iterator[bytes | None]:
        """Lines that are not empty, ``None`` for one that is too long."""
        while True:
            self._waiting = True
            if self._stopped:
                return
            line = self._source.readline(MAX_BYTES + 1)
            too_long = _goes_on(line)
            while _goes_on(line):  # to its end, unread
                line = self._source.readline(MAX_BYTES + 1)
            self._waiting = False
            if too_long:
                yield None
            elif not line:
                return
            elif line.strip():
                yield line

    def _too_long(self) -> bytes:
        return render(_failed(None, refusal_of(too_large(MAX_BYTES))))


def serve_stdio(service: Service, *, ready: str) -> None:
    """Serve on the process's own input and output until the input ends or a signal comes.

    Whatever else the process writes to standard output goes to standard error instead.

    Args:
        service: does the work.
        ready: is written to standard error when the first request can come.
    """
    with _own_output() as target:
        server = StdioServer(service, sys.stdin.buffer, target)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, server.stop)
            signal.signal(signal.SIGINT, server.stop)
        sys.stderr.write(f"{ready}\n")
        sys.stderr.flush()
        server.run()


@contextmanager
def _own_output() -> Iterator[BinaryIO]:
    """Standard output for us alone: a library that prints would break the protocol."""
    sys.stdout.flush()
    output = sys.stdout.fileno()
    ours = os.dup(output)
    os.dup2(sys.stderr.fileno(), output)
    target = os.fdopen(ours, "wb")
    try:
        yield target
    finally:
        with suppress(BrokenPipeError):
            target.close()


def _method_of(call: object) -> tuple[str, object]:
    """Method and params of a call.

    Raises:
        Refused: when it is no request.
    """
    if not isinstance(call, dict):
        raise invalid_call(f"call: expected an object, got {kind_of(call)}")
    if call.get("jsonrpc") != "2.0":
        raise invalid_call('jsonrpc: expected "2.0", got something else')
    method = call.get("method")
    if not isinstance(method, str):
        raise invalid_call(f"method: expected a string, got {kind_of(method)}")
    if _printable(call.get("id")) is not call.get("id"):
        raise invalid_call("id: expected a string, a number or null, got something else")
    return method, call.get("params", {})


def _goes_on(piece: bytes) -> bool:
    """Whether there is more of a line than what was read of it at once."""
    return len(piece) > MAX_BYTES and not piece.endswith(b"\n")


def _printable(name: object) -> object:
    """An id that an answer may carry, ``None`` where it is none."""
    return name if isinstance(name, str | int | float) and not isinstance(name, bool) else None


def _failed(name: object, refusal: Refusal) -> dict[str, Any]:
    error = {
        "code": refusal.code,
        "message": refusal.message,
        "data": {"type": refusal.type},
    }
    return {"jsonrpc": "2.0", "id": name, "error": error}
