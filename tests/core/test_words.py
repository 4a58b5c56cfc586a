"""Numbers of things, in words."""

from __future__ import annotations

from cloister.core.words import count


def test_one_thing_is_said_as_one() -> None:
    assert [count(n, "file") for n in (0, 1, 1234)] == ["0 files", "1 file", "1,234 files"]
    assert [count(n, "copy", "copies") for n in (1, 2)] == ["1 copy", "2 copies"]
