"""What every object backend must pass: subclass `BackendSuite` and say how to make one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from cloister.core.clock import Clock
from cloister.core.errors import BadInput, NotFound, WriteOnce
from cloister.store.backend import Backend
from cloister.testing.clock import ManualClock

MALFORMED = (
    "",
    "/etc/passwd",
    "..",
    "raw/../../lab.db",
    "raw//x",
    "raw/",
    ".incoming/x",
    "raw/.retention",
    "raw/x\n",
    "raw/x\0y",
    "RAW/x",
    "raw/ü",
    "raw\\x",
    "a/b/c/d/e/f/g/h/i",
    "x" * 128,
)


class BackendSuite:
    """Conformance of one implementation. Override `make`; pytest finds the rest."""

    def make(self, folder: Path, clock: Clock) -> Backend:
        """An empty backend that may use ``folder``, or the one made there before."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def backend(self, tmp_path: Path, clock: ManualClock) -> Backend:
        return self.make(tmp_path / "blobs", clock)

    def test_a_blob_set_aside_makes_room_for_another(self, backend: Backend) -> None:
        backend.put_if_absent("raw/a", [b"rotten"])
        backend.set_aside("raw/a")
        with pytest.raises(NotFound):
            backend.get("raw/a", 0, 1)
        assert list(backend.list("")) == []
        assert backend.put_if_absent("raw/a", [b"sound"])
        assert backend.get("raw/a", 0, 9) == b"sound"
        with pytest.raises(NotFound):
            backend.set_aside("raw/b")

    def test_a_blob_set_aside_leaves_its_retention(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        backend.put_if_absent("raw/a", [b"rotten"])
        backend.retain(["raw/a"], clock.now() + timedelta(days=1))
        backend.set_aside("raw/a")
        backend.put_if_absent("raw/a", [b"sound"])
        with pytest.raises(WriteOnce):
            backend.delete("raw/a")

    def test_what_was_put_comes_back_whole_and_in_ranges(self, backend: Backend) -> None:
        assert backend.put_if_absent("raw/a", [b"hello ", b"", b"world"])
        assert backend.get("raw/a", 0, 100) == b"hello world"
        assert backend.get("raw/a", 4, 3) == b"o w"
        assert backend.get("raw/a", 6, 0) == b""
        assert backend.get("raw/a", 11, 5) == b""
        assert backend.get("raw/a", 2**60, 2**60) == b""
        assert backend.stat("raw/a").size_bytes == 11

    def test_a_negative_range_is_refused(self, backend: Backend) -> None:
        backend.put_if_absent("raw/a", [b"hello"])
        for offset, size in ((-1, 5), (0, -1)):
            with pytest.raises(BadInput):
                backend.get("raw/a", offset, size)

    def test_an_empty_blob_is_a_blob(self, backend: Backend) -> None:
        assert backend.put_if_absent("raw/empty", [])
        assert backend.get("raw/empty", 0, 10) == b""
        assert list(backend.list("")) == ["raw/empty"]

    def test_a_second_put_changes_nothing(self, backend: Backend) -> None:
        assert backend.put_if_absent("raw/a", [b"first"])
        assert not backend.put_if_absent("raw/a", [b"second, longer"])
        assert backend.get("raw/a", 0, 100) == b"first"

    def test_a_key_may_be_found_while_writing(self, backend: Backend) -> None:
        taken: list[str] = []

        def chunks() -> Iterator[bytes]:
            for letter in "abc":
                taken.append(letter)
                yield letter.encode()

        assert backend.put_if_absent(lambda: f"raw/{''.join(taken)}", chunks())
        assert backend.get("raw/abc", 0, 3) == b"abc"

    def test_a_malformed_key_that_comes_late_is_refused(self, backend: Backend) -> None:
        with pytest.raises(BadInput):
            backend.put_if_absent(lambda: "../escaped", [b"x"])
        assert list(backend.list("")) == []

    def test_chunks_that_fail_leave_nothing(self, backend: Backend) -> None:
        def chunks() -> Iterator[bytes]:
            yield b"x" * 100_000
            raise OSError(5, "the source could not be read")

        with pytest.raises(OSError, match="the source"):
            backend.put_if_absent("raw/a", chunks())
        assert list(backend.list("")) == []
        assert backend.put_if_absent("raw/a", [b"again"])

    @pytest.mark.parametrize("hint", [0, 1, 5_000_000, 9_000_000])
    def test_a_size_hint_is_only_a_hint(self, backend: Backend, hint: int) -> None:
        content = bytes(range(256)) * 20_000
        pieces = [content[i : i + 300_000] for i in range(0, len(content), 300_000)]
        assert backend.put_if_absent("raw/large", pieces, hint)
        assert backend.stat("raw/large").size_bytes == len(content)
        assert backend.get("raw/large", 0, len(content)) == content

    @pytest.mark.parametrize("key", MALFORMED)
    def test_a_malformed_key_is_refused_by_every_verb(
        self, backend: Backend, clock: ManualClock, key: str
    ) -> None:
        with pytest.raises(BadInput):
            backend.put_if_absent(key, [b"x"])
        with pytest.raises(BadInput):
            backend.get(key, 0, 1)
        with pytest.raises(BadInput):
            backend.stat(key)
        with pytest.raises(BadInput):
            backend.delete(key)
        with pytest.raises(BadInput):
            backend.retain([key], clock.now())

    def test_what_is_absent_is_not_found(self, backend: Backend, clock: ManualClock) -> None:
        backend.put_if_absent("raw/a", [b"x"])
        for key in ("raw/b", "raw", "raw/a/b"):
            with pytest.raises(NotFound):
                backend.get(key, 0, 1)
            with pytest.raises(NotFound):
                backend.stat(key)
            with pytest.raises(NotFound):
                backend.delete(key)
            with pytest.raises(NotFound):
                backend.retain([key], clock.now())

    def test_keys_are_listed_in_order_below_a_folder(self, backend: Backend) -> None:
        keys = ["derived/x/1", "raw/a-b/2", "raw/a/1", "raw/a/2", "raw/b", "rawer/c"]
        for key in reversed(keys):
            backend.put_if_absent(key, [key.encode()])
        in_order = sorted(keys, key=lambda key: key.split("/"))
        assert list(backend.list("")) == in_order
        assert list(backend.list("raw/")) == [k for k in in_order if k.startswith("raw/")]
        assert list(backend.list("raw/a/")) == ["raw/a/1", "raw/a/2"]
        assert list(backend.list("nothing/")) == []
        assert list(backend.list("raw/b/")) == []
        for malformed in ("raw", "../", "/"):
            with pytest.raises(BadInput):
                list(backend.list(malformed))

    def test_what_was_deleted_is_gone(self, backend: Backend) -> None:
        backend.put_if_absent("derived/a", [b"x"])
        backend.delete("derived/a")
        with pytest.raises(NotFound):
            backend.get("derived/a", 0, 1)
        assert backend.put_if_absent("derived/a", [b"y"])
        assert backend.get("derived/a", 0, 1) == b"y"

    def test_retained_blobs_outlive_every_attempt(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        backend.put_if_absent("raw/a", [b"x"])
        until = clock.now() + timedelta(days=10)
        backend.retain(["raw/a"], until)
        backend.retain(["raw/a"], clock.now() - timedelta(days=1))
        assert backend.stat("raw/a").retained_until == until
        for _ in range(2):
            with pytest.raises(WriteOnce):
                backend.delete("raw/a")
            clock.advance(timedelta(days=4))
        backend.retain(["raw/a"], until + timedelta(days=10))
        clock.advance(timedelta(days=4))
        with pytest.raises(WriteOnce):
            backend.delete("raw/a")
        assert backend.get("raw/a", 0, 1) == b"x"
        clock.advance(timedelta(days=10))
        backend.delete("raw/a")

    def test_all_of_a_batch_is_retained_or_none(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        for key in ("raw/a", "raw/b"):
            backend.put_if_absent(key, [b"x"])
        with pytest.raises(NotFound):
            backend.retain(["raw/a", "raw/missing"], clock.now() + timedelta(days=1))
        assert backend.stat("raw/a").retained_until is None
        backend.retain(["raw/a", "raw/b"], clock.now() + timedelta(days=1))
        for key in ("raw/a", "raw/b"):
            with pytest.raises(WriteOnce):
                backend.delete(key)

    def test_one_of_many_writers_of_a_key_wins(self, backend: Backend) -> None:
        ready = threading.Barrier(8)

        def put(writer: int) -> bool:
            ready.wait()
            return backend.put_if_absent("raw/same", [bytes([writer]) * 70_000])

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(put, range(8)))
        assert sum(won) == 1
        assert backend.get("raw/same", 0, 70_001) == bytes([won.index(True)]) * 70_000

    def test_many_threads_put_many_keys(self, backend: Backend) -> None:
        keys = [f"raw/{index % 7}/{index}" for index in range(100)]
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda key: backend.put_if_absent(key, [key.encode()]), keys))
        assert sorted(backend.list("raw/")) == sorted(keys)
        assert all(backend.get(key, 0, 99) == key.encode() for key in keys)
