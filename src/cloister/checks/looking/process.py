"""The child that looks: one request after the other, bounded by the kernel."""

from __future__ import annotations

import base64
import json
import resource
import signal
import struct
import sys
import warnings
from typing import Any, BinaryIO

from cloister.checks.looking.facts import facts_of, thumbnail_of

_MEMORY_BYTES = 3 << 30
_LENGTH = struct.Struct(">Q")


def main(arguments: list[str]) -> None:
    """Answers until its input ends; ``arguments``: seconds a record, path of tesseract."""
    seconds, tesseract = int(arguments[0]), arguments[1]
    _bound()
    warnings.simplefilter("ignore")
    reading, writing = sys.stdin.buffer, sys.stdout.buffer
    while (request := _received(reading)) is not None:
        # The default action of SIGALRM ends the process, whatever a decoder is at.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        reply = _answer(request, tesseract)
        signal.setitimer(signal.ITIMER_REAL, 0)
        body = json.dumps(reply).encode()
        writing.write(_LENGTH.pack(len(body)) + body)
        writing.flush()


def _bound() -> None:
    """No more memory than a large image needs, no file, no core dump with plaintext in it."""
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _received(reading: BinaryIO) -> dict[str, Any] | None:
    lengths = reading.read(2 * _LENGTH.size)
    if len(lengths) < 2 * _LENGTH.size:
        return None
    head = json.loads(reading.read(_LENGTH.unpack_from(lengths)[0]))
    head["content"] = reading.read(_LENGTH.unpack_from(lengths, _LENGTH.size)[0])
    return dict(head)


def _answer(request: dict[str, Any], tesseract: str) -> dict[str, Any]:
    try:
        if request["verb"] == "thumbnail":
            found = thumbnail_of(request["kind"], request["path"], request["content"])
            return {"png": found and base64.b64encode(found).decode()}
        read_text = tesseract if request["read_text"] else ""
        return dict(facts_of(request["kind"], request["path"], request["content"], read_text))
    except MemoryError:
        return {"look": "too-large"}


if __name__ == "__main__":
    main(sys.argv[1:])
