"""From method and path to the endpoint that answers; from anything else to who does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cloister.web.mlflow.endpoint import Endpoint
from cloister.web.mlflow.errors import Refusal

PREFIXES = ("/api", "/ajax-api")
_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


class Found(NamedTuple):
    """An endpoint and what its address said."""

    endpoint: Endpoint
    path: Mapping[str, str]


class Table:
    """All endpoints; those without parameters are found at once."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self._fixed: dict[tuple[str, str], Found] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Endpoint]] = []
        self._streams: list[tuple[str, re.Pattern[str]]] = []
        for one in self.endpoints:
            if "{" in one.path:
                pattern = _pattern(one.path)
                self._patterns.append((one.method, pattern, one))
                if one.takes_stream:
                    self._streams.append((one.method, pattern))
            else:
                self._fixed[one.method, one.path] = Found(one, {})

    def takes_stream(self, method: str, path: str) -> bool:
        """Whether a file is sent there."""
        below = _below(path)
        return any(verb == method and at.fullmatch(below) for verb, at in self._streams)

    def gathers(self, method: str, path: str) -> bool:
        """Whether requests to it may be answered together."""
        found = self._fixed.get((method, _below(path)))
        return found is not None and found.endpoint.gathers

    def known(self, method: str, path: str) -> Found | None:
        """What answers, if anything does."""
        below = _below(path)
        found = self._fixed.get((method, below))
        if found is not None:
            return found
        for verb, pattern, endpoint in self._patterns:
            match = pattern.fullmatch(below) if verb == method else None
            if match:
                return Found(endpoint, match.groupdict())
        return None

    def find(self, method: str, path: str) -> Found:
        """What answers; raises Refusal naming an endpoint that nothing does."""
        found = self.known(method, path)
        if found is not None:
            return found
        below = _below(path)
        # A part of the address may be an id or a name: only what cannot be one is repeated.
        named = "/".join(part if _is_word(part) else "..." for part in below.split("/"))
        raise Refusal("NOT_IMPLEMENTED", f"{method} {named[:200]} is not answered here")


def _below(path: str) -> str:
    for prefix in PREFIXES:
        if path.startswith(prefix + "/"):
            return path[len(prefix) :]
    return path


def _is_word(part: str) -> bool:
    return re.fullmatch(r"[a-z][a-z-]{0,39}|\d\.\d|", part) is not None


def _pattern(path: str) -> re.Pattern[str]:
    pieces, at = [], 0
    for match in _PARAMETER.finditer(path):
        pieces.append(re.escape(path[at : match.start()]))
        pieces.append(f"(?P<{match[1]}>.+)" if match[2] else f"(?P<{match[1]}>[^/]+)")
        at = match.end()
    pieces.append(re.escape(path[at:]))
    return re.compile("".join(pieces), re.DOTALL)
