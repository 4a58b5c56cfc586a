"""Objects in and out: packs, streams, placement, order, verification, concurrency."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.core.errors import BadInput, Conflict, NoSpace, NotFound, Tampered
from cloister.store import Namespace
from cloister.store.backend import Key
from cloister.store.layout import PACK_BYTES, SMALL_BYTES
from cloister.testing.backend import MemoryBackend
from tests.store.small_store import SmallStore, small_store

CHANCE = random.Random(7)


def some(count: int, size: int = 300) -> list[bytes]:
    return [CHANCE.randbytes(size) for _ in range(count)]


def name_of(sealed: bytes) -> str:
    return hashlib.sha256(sealed).hexdigest()


def test_small_objects_share_a_pack_and_come_back(lab: SmallStore) -> None:
    objects = some(200)
    names = lab.keep(objects)
    assert names == [name_of(sealed) for sealed in objects]
    assert len(list(lab.backend.list("raw/packs/"))) == 1
    for name, sealed in zip(names, objects, strict=True):
        assert lab.store.exists(name)
        assert lab.store.read(name) == sealed
        read_at, size = lab.store.open(name)
        assert (read_at(0, size), read_at(5, 3), size) == (sealed, sealed[5:8], len(sealed))


def test_large_objects_are_blobs_of_their_own_named_by_their_hash(lab: SmallStore) -> None:
    small, large = some(1, SMALL_BYTES - 1)[0], some(1, SMALL_BYTES)[0]
    lab.keep([small, large], "derived")
    (blob,) = lab.backend.list("derived/objects/")
    assert blob.endswith(f"/{name_of(large)}")
    assert hashlib.sha256(lab.path(blob).read_bytes()).hexdigest() == name_of(large)
    assert lab.store.read(name_of(large)) == large
    read_at, size = lab.store.open(name_of(large))
    assert size == SMALL_BYTES
    assert read_at(SMALL_BYTES - 5, 100) == large[-5:]
    assert read_at(SMALL_BYTES + 5, 100) == b""


def test_a_stream_is_stored_under_the_hash_of_its_bytes(lab: SmallStore) -> None:
    pieces = [b"", *some(5, 700_000), bytearray(b"reused"), b"end"]
    with lab.store.writer("raw") as writer:
        name = writer.add_stream(iter(pieces))
        lab.place(writer.flush())
    assert lab.store.read(name) == b"".join(pieces)


def test_a_buffer_that_is_used_again_does_not_confuse_the_hash(lab: SmallStore) -> None:
    buffer = bytearray(100_000)

    def chunks() -> Iterator[bytes]:
        for number in range(50):
            buffer[:] = bytes([number]) * len(buffer)
            yield buffer

    with lab.store.writer("raw") as writer:
        name = writer.add_stream(chunks())
        lab.place(writer.flush())
    assert lab.store.read(name) == b"".join(bytes([n]) * 100_000 for n in range(50))


def test_full_packs_are_written_before_the_flush(lab: SmallStore) -> None:
    objects = some(40, 500_000)
    with lab.store.writer("raw") as writer:
        for sealed in objects:
            writer.add(sealed)
        placements = writer.flush()
        assert writer.flush() == []
    lab.place(placements)
    sizes = [lab.backend.stat(blob).size_bytes for blob in lab.backend.list("raw/packs/")]
    assert len(sizes) == 3
    assert max(sizes) < PACK_BYTES + SMALL_BYTES + 10_000
    assert dict(lab.store.read_many(map(name_of, objects))) == {
        name_of(sealed): sealed for sealed in objects
    }


def test_nothing_is_readable_before_it_is_placed(lab: SmallStore) -> None:
    with lab.store.writer("raw") as writer:
        name = writer.add(b"sealed")
        placements = writer.flush()
    assert not lab.store.exists(name)
    with pytest.raises(NotFound, match=name):
        lab.store.read(name)

    def fails(tx: object) -> None:
        lab.store.place(tx, placements)
        raise BadInput("the event could not be written")

    with pytest.raises(BadInput):
        lab.database.write(fails)
    assert not lab.store.exists(name)
    lab.place(placements)
    assert lab.store.read(name) == b"sealed"


def test_the_same_bytes_twice_are_one_object(lab: SmallStore) -> None:
    (large,) = some(1, SMALL_BYTES)
    for _ in range(2):
        names = lab.keep([b"same", b"same", large, large])
    assert len(set(names)) == 2
    assert len(list(lab.backend.list("raw/packs/"))) == 1
    assert len(list(lab.backend.list("raw/objects/"))) == 1
    lab.keep([b"same", b"other"])
    assert lab.store.read(name_of(b"same")) == b"same"
    assert len(lab.placements()) == 3


def test_many_are_read_once_each_as_they_lie(lab: SmallStore) -> None:
    names = lab.keep([*some(500), *some(2, SMALL_BYTES)]) + lab.keep(some(300), "derived")
    asked = names * 2
    CHANCE.shuffle(asked)
    got = [name for name, _ in lab.store.read_many(asked)]
    assert got == [p.name for p in lab.placements()]
    few = CHANCE.sample(names, 20)
    assert {name for name, _ in lab.store.read_many(few)} == set(few)
    assert list(lab.store.read_many([])) == []


def test_an_unknown_name_among_many_is_said_before_the_first(lab: SmallStore) -> None:
    names = lab.keep(some(3))
    with pytest.raises(NotFound, match="1 missing"):
        lab.store.read_many([*names, "0" * 64])


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=100), max_size=20), st.sampled_from(["raw", "derived"]))
def test_whatever_was_added_is_read_back(objects: list[bytes], namespace: Namespace) -> None:
    with small_memory_store() as lab:
        lab.keep(objects, namespace)
        expected = {name_of(sealed): sealed for sealed in objects}
        assert dict(lab.store.read_many(expected)) == expected


def test_flushes_of_many_writers_share_packs(lab: SmallStore) -> None:
    backend = SlowBackend()
    with small_store(lab.folder / "shared", backend=backend) as shared:
        ready = threading.Barrier(16)

        def add_one(number: int) -> list[str]:
            ready.wait()
            return shared.keep([b"from writer %d" % number])

        with ThreadPoolExecutor(16) as pool:
            names = [name for names in pool.map(add_one, range(16)) for name in names]
        assert len(list(backend.list("raw/packs/"))) < 8
        assert len(dict(shared.store.read_many(names))) == 16
        assert shared.store.scrub().problems == 0


def test_a_failed_flush_fails_every_writer_of_the_pack_and_no_later_one() -> None:
    backend = SlowBackend()
    with small_memory_store(backend) as lab:
        ready = threading.Barrier(8)

        def add_one(number: int) -> type[Exception] | None:
            with lab.store.writer("raw") as writer:
                writer.add(b"%d" % number)
                ready.wait()
                try:
                    writer.flush()
                except NoSpace as error:
                    with pytest.raises(Conflict):
                        writer.flush()
                    with pytest.raises(Conflict):
                        writer.add(b"more")
                    return type(error)
            return None

        backend.full = True
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(add_one, range(8))) == {NoSpace}
        backend.full = False
        assert lab.keep([b"after"])
        assert lab.store.scrub().objects == 1


def test_a_failing_source_hurts_nothing_else(lab: SmallStore) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 5_000_000
        raise ValueError("the source changed")

    with lab.store.writer("raw") as writer:
        before = writer.add(b"before")
        with pytest.raises(ValueError, match="the source changed"):
            writer.add_stream(chunks())
        after = writer.add(b"after")
        lab.place(writer.flush())
    assert dict(lab.store.read_many([before, after])).keys() == {before, after}
    assert list(lab.backend.list("raw/objects/")) == []
    assert threading.active_count() < 10


def test_a_backend_that_fails_in_the_middle_leaves_no_thread_behind() -> None:
    class Failing(MemoryBackend):
        def put_if_absent(self, key: Key, chunks: Iterator[bytes], size_hint: int = 0) -> bool:
            next(iter(chunks))
            raise NoSpace("full")

    with small_memory_store(Failing()) as lab, lab.store.writer("raw") as writer:
        with pytest.raises(NoSpace) as kept:
            writer.add_stream(iter([b"x" * 100] * 100))
        assert kept.value.code == "E104"
        assert "hashing" not in {thread.name for thread in threading.enumerate()}


def test_bytes_that_were_collected_cannot_be_placed(lab: SmallStore) -> None:
    with lab.store.writer("derived") as writer:
        writer.add(b"sealed")
        placements = writer.flush()
    lab.backend.delete(placements[0].blob)
    with pytest.raises(Conflict, match="collected"):
        lab.place(placements)
    assert lab.placements() == []


def test_a_damaged_blob_under_our_key_is_not_taken_for_ours(lab: SmallStore) -> None:
    (large,) = some(1, SMALL_BYTES)
    lab.keep([large])
    path = lab.path(lab.placement(name_of(large)).blob)
    path.chmod(0o600)
    path.write_bytes(large[:-1] + bytes([large[-1] ^ 1]))
    with pytest.raises(Tampered, match="was there before"):
        lab.keep([large])


class SlowBackend(MemoryBackend):
    """Long enough for others to arrive, and full when told so."""

    full = False

    def put_if_absent(self, key: Key, chunks: Iterator[bytes], size_hint: int = 0) -> bool:
        threading.Event().wait(0.05)
        if self.full:
            raise NoSpace("the store's disk has no room")
        return super().put_if_absent(key, chunks, size_hint)


@contextmanager
def small_memory_store(backend: MemoryBackend | None = None) -> Iterator[SmallStore]:
    with (
        TemporaryDirectory() as folder,
        small_store(Path(folder), backend=backend or MemoryBackend()) as lab,
    ):
        yield lab
