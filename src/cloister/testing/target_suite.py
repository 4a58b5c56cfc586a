"""What every backup target must pass: subclass `TargetSuite` and say how to make one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, NotFound
from cloister.recovery.target import Target


class TargetSuite:
    """Conformance of one implementation. Override `make`; pytest finds the rest."""

    def make(self, folder: Path) -> Target:
        """A target that may use ``folder``, or the one made there before."""
        raise NotImplementedError

    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        return self.make(tmp_path / "target")

    def test_what_was_put_comes_back_whole_and_in_ranges(self, target: Target) -> None:
        content = os.urandom((5 << 20) + 123)
        pieces = [content[at : at + 700_001] for at in range(0, len(content), 700_001)]
        assert target.put_if_absent("raw/packs/ab/x", pieces, len(content))
        assert target.stat("raw/packs/ab/x").size_bytes == len(content)
        assert target.get("raw/packs/ab/x", 0, 1 << 30) == content
        assert target.get("raw/packs/ab/x", 4_000_000, 99) == content[4_000_000:4_000_099]
        assert target.get("raw/packs/ab/x", len(content), 5) == b""
        assert target.put_if_absent("empty", [])
        assert target.get("empty", 0, 10) == b""

    def test_the_first_put_stays(self, target: Target) -> None:
        assert target.put_if_absent("a/b", [b"first"])
        assert not target.put_if_absent("a/b", [b"second"])
        assert target.get("a/b", 0, 9) == b"first"

    def test_a_name_may_be_known_at_the_end_only(self, target: Target) -> None:
        seen: list[bytes] = []

        def chunks() -> list[bytes]:
            seen.append(b"x")
            return seen

        assert target.put_if_absent(lambda: f"named/{len(seen)}", chunks())
        assert target.get("named/1", 0, 9) == b"x"

    def test_a_put_that_fails_in_the_middle_leaves_nothing(self, target: Target) -> None:
        def broken() -> Iterator[bytes]:
            yield b"x" * (1 << 20)
            raise NotFound("the source went away")

        with pytest.raises(NotFound, match="the source went away"):
            target.put_if_absent("raw/y", broken())
        with pytest.raises(NotFound):
            target.stat("raw/y")
        assert list(target.list("")) == []
        assert target.put_if_absent("raw/y", [b"y"])

    def test_keys_are_listed_in_order_and_below_a_folder(self, target: Target) -> None:
        keys = ["a", "b/c", "b/d/e", "b0", "saves/000/1", "saves/001/2"]
        for key in reversed(keys):
            target.put_if_absent(key, [b"x"])
        assert sorted(target.list("")) == sorted(keys)
        assert list(target.list("saves/")) == ["saves/000/1", "saves/001/2"]
        assert list(target.list("nothing/")) == []

    def test_what_is_not_there_is_not_found(self, target: Target) -> None:
        target.put_if_absent("folder/x", [b"x"])
        for key in ("nothing", "folder", "folder/y", "no/such/folder"):
            with pytest.raises(NotFound):
                target.stat(key)
        for key in ("nothing", "no/such"):
            with pytest.raises(NotFound):
                target.get(key, 0, 1)
            with pytest.raises(NotFound):
                target.delete(key)

    def test_what_is_deleted_is_gone(self, target: Target) -> None:
        target.put_if_absent("a", [b"x"])
        target.delete("a")
        assert list(target.list("")) == []

    @pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a//b", "A", ".incoming/x"])
    def test_malformed_keys_are_refused(self, target: Target, key: str) -> None:
        with pytest.raises(BadInput):
            target.put_if_absent(key, [b"x"])
        with pytest.raises(BadInput):
            target.get(key, 0, 1)

    def test_another_one_sees_the_same(self, target: Target, tmp_path: Path) -> None:
        target.put_if_absent("a/b", [b"x"])
        assert self.make(tmp_path / "target").get("a/b", 0, 9) == b"x"

    def test_any_number_of_threads_may_put_and_get(self, target: Target) -> None:
        def work(number: int) -> bool:
            first = target.put_if_absent(f"t/{number % 10}", [b"%d" % (number % 10)] * 1000)
            assert target.get(f"t/{number % 10}", 0, 9) == (b"%d" % (number % 10)) * 9
            return first

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(work, range(40))) == 10
