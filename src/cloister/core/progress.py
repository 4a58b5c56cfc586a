"""How long work tells whoever watches how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with (what, done, of how many); ``of`` is 0 where nobody knows."""


def silent(_what: str, _done: int, _of: int) -> None:
    """Progress nobody watches."""
