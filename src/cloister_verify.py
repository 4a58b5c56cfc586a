#!/usr/bin/env python3
"""Checks a Cloister proof bundle on a machine that does not have Cloister.

    python cloister_verify.py BUNDLE --trust lab.pub

This one file needs Python 3.9 or later and the `cryptography` package, opens no connection and
shares no code with Cloister: it was written a second time from the formats (docs/formats), so
that a mistake in one is caught by the other. The bundle is taken to be hostile.

    verdict      exit   meaning
    VERIFIED     0      every check passed under the keys you trust
    REFUSED      1      a check failed; the first reason is printed
    (usage)      2      the question could not be understood
    UNANCHORED   3      every check passed, but only under keys that came with the bundle,
                        and anyone can make such a bundle

What stands under "computed here" was recomputed from the bytes. What stands under "attested by
the lab" is only what the holder of the lab's keys says.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import stat
import sys
import textwrap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import (
    Any,
    BinaryIO,
    NamedTuple,
)

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.exit("cloister_verify.py needs the `cryptography` package: pip install cryptography")

VERIFIED, REFUSED, USAGE, UNANCHORED = 0, 1, 2, 3
FORMAT = "cloister/bundle/v1"
README_SHA256 = "8ce41dc1da48be847f5a203f85c7be1cdfe76e2ad67705528bb1e8f22e9a640e"
SMALL = 64 << 20  # bytes that a document read whole may have
LONGEST_LINE = 16 << 20
LARGEST_INTEGER = 2**53 - 1


def names(text: str) -> frozenset[str]:
    """The words of ``text``: field names, event types, paths."""
    return frozenset(text.split())


FOLDERS = names("versions models disclosures")
ALWAYS = names(
    "README.txt anchors.json checkpoint.txt events.jsonl lab.pub statement.dsse.json"
)
KNOWN_PATH = re.compile(
    r"README\.txt|anchors\.json|checkpoint\.txt|events\.jsonl|lab\.pub|statement\.dsse\.json"
    r"|environment\.json"
    r"|versions/[1-9][0-9]{0,3}\.jsonl"
    r"|models/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"
    r"|disclosures/(rec_[a-z2-7]{16,32}|lbl_[a-z2-7]{16,32}|output-(0|[1-9][0-9]{0,15}))"
    r"\.(json|bin)"
)
HEX = re.compile(r"[0-9a-f]{64}")


class Refused(Exception):
    """The bundle does not prove what it says; the message is the reason."""


class Misused(Exception):
    """The command line, or a file it names, cannot be used."""


# --- reading: one spelling for every value, or refused ----------------------------------------


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError("integer beyond 2^53 - 1")
    return int(text)


def _no_fraction(text: str) -> Any:
    raise ValueError("the formats hold no fractions, NaN or infinities")


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_no_fraction, parse_constant=_no_fraction
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_UNSORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _in_utf16_order(value: Any) -> Any:
    """``value`` with the keys of every object in the order of RFC 8785 3.2.3."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return {key: _in_utf16_order(value[key]) for key in keys}
    if isinstance(value, list):
        return [_in_utf16_order(item) for item in value]
    return value


def parse(data: bytes, what: str) -> dict[str, Any]:
    """The object in ``data``, which must be canonical JSON (RFC 8785) to the last byte.

    So a doubled key, other spacing, a needless escape, a lone surrogate, a number written in
    another way are refused: each could be read two ways.
    """
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
        same = _ENCODER.encode(value) == text
        if not same and not text.isascii():  # code points and UTF-16 units sort differently
            same = _UNSORTED.encode(_in_utf16_order(value)) == text
    except RecursionError:
        raise Refused(f"{what}: nested too deeply") from None
    except ValueError as error:
        raise Refused(f"{what}: not canonical JSON ({printable(error, 60)})") from None
    if not same:
        raise Refused(f"{what}: not canonical JSON (doubled key, spacing, order or escape)")
    if type(value) is not dict:
        raise Refused(f"{what}: not a JSON object")
    return value


def field(value: Any, name: str, kind: type, what: str) -> Any:
    """``value[name]``, of exactly that type: True is no integer."""
    found = value.get(name) if type(value) is dict else None
    if type(found) is not kind:
        raise Refused(f"{what}: {name} is missing or of the wrong type")
    return found


def text_of(value: Any, name: str, what: str) -> str:
    found: str = field(value, name, str, what)
    return found


def hex_of(value: Any, name: str, what: str) -> str:
    found: str = field(value, name, str, what)
    if not HEX.fullmatch(found):
        raise Refused(f"{what}: {name} is not a SHA-256 in lower-case hex")
    return found


def count_of(value: Any, name: str, what: str) -> int:
    found: int = field(value, name, int, what)
    if found < 0:
        raise Refused(f"{what}: {name} is negative")
    return found


def part_of(value: Any, name: str, fields: frozenset[str] | None, what: str) -> Any:
    """The object ``value[name]``, with exactly these fields if any are given."""
    found = field(value, name, dict, what)
    if fields is not None:
        exactly(found, fields, what)
    return found


def list_of(value: Any, name: str, kind: type, what: str) -> list[Any]:
    found: list[Any] = field(value, name, list, what)
    if any(type(item) is not kind for item in found):
        raise Refused(f"{what}: {name} holds an item of the wrong type")
    return found


def parts_of(value: Any, name: str, fields: frozenset[str], what: str) -> list[Any]:
    """A list of objects that have exactly these fields."""
    found = list_of(value, name, dict, what)
    for item in found:
        exactly(item, fields, what)
    return found


def exactly(value: Any, fields: frozenset[str], what: str) -> None:
    """Refuses an object with other fields than these: unread ones could mislead a reader."""
    if type(value) is not dict or value.keys() != fields:
        raise Refused(f"{what}: its fields are not exactly {', '.join(sorted(fields))}")


def unbase64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Refused(f"{what}: not base64") from None
    if base64.b64encode(data).decode() != text:  # spare bits in the last letter
        raise Refused(f"{what}: base64 with a second spelling")
    return data


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def printable(text: object, longest: int = 160) -> str:
    """``text`` in plain ASCII on one line: a bundle must not steer the terminal."""
    plain = str(text).encode("ascii", "backslashreplace").decode()
    plain = "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in plain)
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


# --- hashes and trees (RFC 6962) --------------------------------------------------------------


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def leaf_hash(data: bytes) -> bytes:
    # RFC 6962 2.1: the prefixes keep an inner node from passing for a leaf
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Opening(NamedTuple):
    """What opens a commitment."""

    salt: bytes
    digest: str

    def opens(self, commitment: str) -> bool:
        message = b"cloister/commitment/v1\x00" + self.salt + bytes.fromhex(self.digest)
        return sha256(message) == commitment


class Tree:
    """The root over leaves given one by one, in memory that grows with the logarithm."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[Any] = []  # (height, hash) of complete subtrees, left to right

    def add(self, leaf: bytes) -> None:
        height, digest = 0, leaf_hash(leaf)
        while self._peaks and self._peaks[-1][0] == height:
            digest = node_hash(self._peaks.pop()[1], digest)
            height += 1
        self._peaks.append((height, digest))
        self.size += 1

    def root(self) -> str:
        if not self._peaks:
            return sha256(b"")
        digest: bytes = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            digest = node_hash(left, digest)
        return digest.hex()


def root_of_chosen(
    size: int, indices: Sequence[int], leaves: Sequence[bytes], hashes: Sequence[bytes]
) -> bytes:
    """The root of a log of ``size`` from some leaf hashes and the ranges between them.

    The shape of the tree follows from ``size`` and ``indices`` alone, so a root that matches a
    signed one means that each leaf stands at its index: anything else is a SHA-256 collision.
    """
    remaining = iter(hashes)

    def walk(start: int, end: int, first: int, last: int) -> bytes:
        if first == last:
            digest = next(remaining, None)
            if digest is None:
                raise Refused("anchors.json: hashes are missing")
            return digest
        if end - start == 1:
            return leaves[first]
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        cut = bisect_left(indices, middle, first, last)
        left = walk(start, middle, first, cut)
        return node_hash(left, walk(middle, end, cut, last))

    root = walk(0, size, 0, len(indices))
    if next(remaining, None) is not None:
        raise Refused("anchors.json: more hashes than the proof needs")
    return root


class Head(NamedTuple):
    """A signed state of the ledger."""

    size: int
    root: bytes
    others: int
    """Signatures of keys we do not know, a witness's for one."""


def consistent(old: Head, new: Head, proof: Sequence[bytes]) -> bool:
    """Whether the tree of ``new`` extends that of ``old`` (RFC 9162 2.1.4.2)."""
    if old.size == new.size:
        return old.root == new.root and not proof
    path = [old.root, *proof] if old.size & (old.size - 1) == 0 else list(proof)
    if old.size == 0 or not path:
        return False
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for digest in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(digest, first), node_hash(digest, second)
            while place & 1 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, digest)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old.root and second == new.root


# --- keys, checkpoints, envelopes -------------------------------------------------------------


class Key(NamedTuple):
    """A named Ed25519 key (C2SP signed-note)."""

    name: str
    mark: bytes
    """4 bytes that name it in a signature line."""
    raw: bytes

    def id(self) -> str:
        return f"{self.name}+{self.mark.hex()}"

    def text(self) -> str:
        return f"{self.id()}+{base64.b64encode(b'%c' % 1 + self.raw).decode()}"

    def signed(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Keys(NamedTuple):
    """What a lab signs with."""

    log: Key
    statement: Key

    def text(self) -> str:
        return f"log {self.log.text()}\nstatement {self.statement.text()}\n"


def parse_key(text: str) -> Key:
    parts = text.split("+", 2)
    if len(parts) != 3 or not re.fullmatch(r"[!-*,-~]+", parts[0]):
        raise Refused("not a verifier key: expected name+hash+base64, the name in plain ASCII")
    raw = unbase64(parts[2], "a verifier key")
    mark = hashlib.sha256(parts[0].encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[0] != 1 or parts[1] != mark.hex():
        raise Refused("not an Ed25519 verifier key, or its hash does not match")
    return Key(parts[0], mark, raw[1:])


def parse_keys(text: str) -> Keys:
    """The keys of one lab: a line `log KEY`, a line `statement KEY`, comments after #."""
    found: dict[str, Key] = {}
    for line in text.splitlines():
        purpose, _, key = line.strip().partition(" ")
        if not purpose or purpose.startswith("#"):
            continue
        if purpose not in ("log", "statement") or purpose in found:
            raise Refused("expected one line `log KEY` and one line `statement KEY`")
        found[purpose] = parse_key(key)
    if len(found) != 2:
        raise Refused("expected one line `log KEY` and one line `statement KEY`")
    if found["log"].raw == found["statement"].raw:
        raise Refused("one key cannot sign both checkpoints and statements")
    return Keys(found["log"], found["statement"])


def open_checkpoint(data: bytes, key: Key, what: str) -> Head:
    """The head in a C2SP checkpoint that ``key`` signed, exactly once, under its own name."""
    try:
        body, gap, tail = data.decode("utf-8").rpartition("\n\n")
    except UnicodeDecodeError:
        raise Refused(f"{what}: not UTF-8") from None
    if not gap or not tail.endswith("\n"):
        raise Refused(f"{what}: not a signed note")
    signatures = [_signature(line, what) for line in tail[:-1].split("\n")]
    ours = [blob[4:] for name, blob in signatures if name == key.name and blob[:4] == key.mark]
    if len(ours) != 1:
        raise Refused(f"{what}: expected one signature by {key.id()}, found {len(ours)}")
    if not key.signed((body + "\n").encode(), ours[0]):
        raise Refused(f"{what}: the signature of {key.id()} does not verify")
    lines = body.split("\n")
    if len(lines) < 3 or "" in lines or not re.fullmatch(r"[1-9][0-9]{0,15}", lines[1]):
        raise Refused(f"{what}: not a checkpoint")
    if lines[0] != key.name:
        raise Refused(f"{what}: a checkpoint of another ledger, {printable(lines[0], 60)}")
    size, root = int(lines[1]), unbase64(lines[2], what)
    if size > LARGEST_INTEGER or len(root) != 32:
        raise Refused(f"{what}: its size or root is not one")
    return Head(size, root, len(signatures) - 1)


def _signature(line: str, what: str) -> Any:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014" or not parts[1]:
        raise Refused(f"{what}: a signature line is malformed")
    return parts[1], unbase64(parts[2], what)


ENVELOPE, SIGNATURE = names("payload payloadType signatures"), names("keyid sig")


def open_envelope(data: bytes, key: Key) -> bytes:
    """The payload of a DSSE envelope that ``key``, and nobody else, signed."""
    what = "statement.dsse.json"
    outer = parse(data, what)
    exactly(outer, ENVELOPE, what)
    signatures = parts_of(outer, "signatures", SIGNATURE, what)
    if len(signatures) != 1:
        raise Refused(f"{what}: expected one signature, found {len(signatures)}")
    if text_of(signatures[0], "keyid", what) != key.id():
        raise Refused(f"{what}: not signed by {key.id()}")
    kind = text_of(outer, "payloadType", what)
    if kind != "application/vnd.in-toto+json":
        raise Refused(f"{what}: not an in-toto document")
    payload = unbase64(text_of(outer, "payload", what), what)
    # DSSE v1, pre-authentication encoding: lengths and type are signed with the payload
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    if not key.signed(message, unbase64(text_of(signatures[0], "sig", what), what)):
        raise Refused(f"{what}: the signature of {key.id()} does not verify")
    return payload


# --- the folder -------------------------------------------------------------------------------


class Listed(NamedTuple):
    """What the manifest says of a file."""

    sha256: str
    size: int


MANIFEST, LISTED = names("about files format kind lab"), names("path sha256 size")


class Folder:
    """The bundle's files: exactly those of the manifest, plain, inside, and unchanged."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: dict[str, Listed] = {}
        self.kind = self.about = self.lab = ""

    def check(self) -> None:
        """Reads the manifest and compares every file with it."""
        what = "manifest.json"
        manifest = parse(self._read(what), what)
        exactly(manifest, MANIFEST, what)
        if text_of(manifest, "format", what) != FORMAT:
            raise Refused(f"{what}: another format than {FORMAT}")
        self.kind, self.about = (
            text_of(manifest, "kind", what),
            text_of(manifest, "about", what),
        )
        self.lab = text_of(manifest, "lab", what)
        for entry in parts_of(manifest, "files", LISTED, what):
            path = text_of(entry, "path", what)
            if len(path) > 120 or not KNOWN_PATH.fullmatch(path):
                raise Refused(f"{what}: a bundle has no place for {printable(path)}")
            listed = Listed(hex_of(entry, "sha256", what), count_of(entry, "size", what))
            if path in self.files:
                raise Refused(f"{what}: {path} is listed twice")
            self.files[path] = listed
        self._check_paths()
        for path, listed in self.files.items():
            with self.open(path) as file:
                if digest_of(file) != listed:
                    raise Refused(f"{path} is not the file that the manifest lists")

    def _check_paths(self) -> None:
        if list(self.files) != sorted(self.files):
            raise Refused("manifest.json: its files are not in order")
        if len({path.lower() for path in self.files}) != len(self.files):
            raise Refused("manifest.json: two paths differ in case only")
        for path in sorted(ALWAYS - self.files.keys()):
            raise Refused(f"{path} is missing from the manifest")
        present = set(self._walk("", FOLDERS)) - {"manifest.json"}
        for path in sorted(present - self.files.keys()):
            raise Refused(f"{printable(path)} lies in the bundle but not in its manifest")
        for path in sorted(self.files.keys() - present):
            raise Refused(f"{path} is in the manifest but not in the bundle")

    def _walk(self, inside: str, folders: frozenset[str]) -> Iterator[str]:
        with os.scandir(os.path.join(self.root, inside)) as entries:
            for entry in entries:
                path, mode = inside + entry.name, entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) and entry.name in folders:
                    yield from self._walk(path + "/", frozenset())
                elif stat.S_ISREG(mode):
                    yield path
                else:
                    raise Refused(f"{printable(path)} is no plain file and no known folder")

    def open(self, path: str) -> BinaryIO:
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        # a link must not lead out of the bundle, a FIFO in a file's place must not hang us
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(os.path.join(self.root, *path.split("/")), flags)
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Refused(f"{path} is not a plain file")
        return os.fdopen(descriptor, "rb")

    def _read(self, path: str) -> bytes:
        with self.open(path) as file:
            data = file.read(SMALL + 1)
        if len(data) > SMALL:
            raise Refused(f"{path} is larger than any such document")
        return data

    def read(self, path: str) -> bytes:
        """A listed document, whole, and still the one that was listed."""
        data = self._read(path)
        if sha256(data) != self.files[path].sha256:
            raise Refused(f"{path} changed while it was read")
        return data

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of a listed file, without their ends."""
        with self.open(path) as file:
            for line in iter(lambda: file.readline(LONGEST_LINE), b""):
                if not line.endswith(b"\n"):
                    raise Refused(f"{path}: a line without an end, or too long")
                yield line[:-1]

    def inside(self, folder: str) -> list[str]:
        return [path for path in self.files if path.startswith(folder + "/")]


def digest_of(file: BinaryIO) -> Listed:
    digest, size = hashlib.sha256(), 0
    for chunk in iter(lambda: file.read(1 << 20), b""):
        digest.update(chunk)
        size += len(chunk)
    return Listed(digest.hexdigest(), size)


# --- the ledger's entries ---------------------------------------------------------------------

MODEL_EVENTS = names(
    "record.added label.added version.committed run.begun run.output run.ended"
    " model.registered model.tainted model.exported hub.given statement.signed"
)
ERASURE_EVENTS = names("erase.intended erase.completed model.tainted")
ANCHORS, EVENT = names("hashes runs size"), names("actor body reason time type v")


class Entry(NamedTuple):
    """One entry of the ledger."""

    place: int
    kind: str
    time: str
    actor: str
    body: dict[str, Any]

    def text(self, name: str) -> str:
        return text_of(self.body, name, self.kind)

    def hex(self, name: str) -> str:
        return hex_of(self.body, name, self.kind)

    def count(self, name: str) -> int:
        return count_of(self.body, name, self.kind)


class Record(NamedTuple):
    """What record.added says, as far as a version repeats it."""

    place: int
    dataset: str
    subject: str
    object: str
    commitment: str
    meta: str


class Label(NamedTuple):
    """What label.added says, as far as a version repeats it."""

    place: int
    record: str
    commitment: str


class Events:
    """The entries of events.jsonl, each proven to stand at its index in the signed ledger."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.labels: dict[str, Label] = {}
        self.others: dict[str, list[Entry]] = {}
        self.indices: frozenset[int] = frozenset()

    def read(self, folder: Folder, head: Head, kinds: frozenset[str]) -> None:
        what = "anchors.json"
        anchors = parse(folder.read(what), what)
        exactly(anchors, ANCHORS, what)
        if count_of(anchors, "size", what) != head.size:
            raise Refused(f"{what}: made for another checkpoint")
        most = folder.files["events.jsonl"].size
        indices = places(list_of(anchors, "runs", list, what), head.size, most)
        hashes = [_hash(text) for text in list_of(anchors, "hashes", str, what)]
        leaves: list[bytes] = []
        for line in folder.lines("events.jsonl"):
            if len(leaves) == len(indices):
                raise Refused("events.jsonl: more entries than anchors.json places")
            self._take(indices[len(leaves)], line, kinds)
            leaves.append(leaf_hash(line))
        if len(leaves) != len(indices):
            raise Refused("events.jsonl: fewer entries than anchors.json places")
        if root_of_chosen(head.size, indices, leaves, hashes) != head.root:
            raise Refused("events.jsonl: not entries of the ledger that checkpoint.txt signs")
        self.indices = frozenset(indices)

    def _take(self, index: int, line: bytes, kinds: frozenset[str]) -> None:
        what = f"ledger entry {index}"
        event = parse(line, what)
        exactly(event, EVENT, what)
        kind, body = text_of(event, "type", what), field(event, "body", dict, what)
        if count_of(event, "v", what) != 1 or kind not in kinds:
            raise Refused(f"{what}: {printable(kind, 40)} has no part in this proof")
        if kind == "record.added":
            name = text_of(body, "record", what)
            if name in self.records:
                raise Refused(f"{what}: the record was added before")
            self.records[name] = _record(index, body, what)
        elif kind == "label.added":
            name = text_of(body, "label", what)
            if name in self.labels:
                raise Refused(f"{what}: the label was added before")
            record, commitment = text_of(body, "record", what), hex_of(body, "commitment", what)
            self.labels[name] = Label(index, record, commitment)
        else:
            time, actor = text_of(event, "time", what), text_of(event, "actor", what)
            self.others.setdefault(kind, []).append(Entry(index, kind, time, actor, body))

    def of(self, kind: str) -> list[Entry]:
        return self.others.get(kind, [])

    def one(self, kind: str, run: str = "") -> Entry:
        """The only entry of its kind, or the only one about that run."""
        found = [entry for entry in self.of(kind) if not run or entry.text("run") == run]
        if len(found) != 1:
            raise Refused(f"events.jsonl: expected one {kind}, found {len(found)}")
        return found[0]


def _record(index: int, body: dict[str, Any], what: str) -> Record:
    if "quarantine" not in body or body["quarantine"] is not None:
        raise Refused(f"{what}: a quarantined record takes no part in a version")
    return Record(
        index,
        text_of(body, "dataset", what),
        text_of(body, "subject", what),
        hex_of(body, "object", what),
        hex_of(body, "commitment", what),
        sha256(unbase64(text_of(body, "meta", what), what)),
    )


def places(runs: list[Any], size: int, most: int) -> list[int]:
    """The indices in runs of [first, count], at most ``most``: hostile counts end there."""
    indices: list[int] = []
    end = 0
    for run in runs:
        if len(run) != 2 or any(type(part) is not int for part in run):
            raise Refused("anchors.json: a run is not [first, count]")
        first, count = run
        if first < end or (first == end and indices) or count < 1 or first + count > size:
            raise Refused("anchors.json: runs overlap, touch or leave the ledger")
        if len(indices) + count > most:
            raise Refused("anchors.json: places more entries than events.jsonl has bytes")
        end = first + count
        indices.extend(range(first, end))
    if not indices:
        raise Refused("anchors.json: places no entry")
    return indices


def _hash(text: str) -> bytes:
    if not HEX.fullmatch(text):
        raise Refused("anchors.json: a hash is not 32 bytes in lower-case hex")
    return bytes.fromhex(text)


# --- statements -------------------------------------------------------------------------------

S = "the statement"
STATEMENT = names("_type predicate predicateType subject")
SUBJECT, DEPENDENCY = names("digest name"), names("digest name uri")
NOTED = names("annotations digest name uri")
BUILD_TYPES = ("urn:cloister:run:v1", "urn:cloister:run:v2")
ORIGIN = names("code command environment fence finishedOn settings startedOn")
PARITY = names("agreed compared converter max_abs max_rel rows source tolerance")
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|inf")


class Model(NamedTuple):
    """A model by the name and digest that the statement gives it."""

    name: str
    sha256: str


class Version(NamedTuple):
    """A dataset version by name@number and Merkle root."""

    name: str
    root: str


class Pretrained(NamedTuple):
    """A pretrained model that a run was given."""

    name: str
    sha256: str
    license: str


class Origin(NamedTuple):
    """The run whose file was converted, and how the two models compare."""

    run: str
    output: str
    command: str
    code: str
    environment: str
    settings: dict[str, str]
    started: str
    finished: str
    fence: dict[str, Any]
    converter: str
    parity: dict[str, Any]


class Statement(NamedTuple):
    """What the lab attests of a run."""

    run: str
    lab: str
    models: list[Model]
    versions: list[Version]
    code: Model
    environment: Model
    command: str
    settings: dict[str, str]
    started: str
    finished: str
    fence: dict[str, Any]
    indices: list[int]
    outputs: list[str]
    hub: list[Pretrained]
    origin: Origin | None


def open_statement(payload: bytes, predicate_type: str) -> dict[str, Any]:
    """An in-toto Statement v1 whose predicate is of that type, and whose subjects differ."""
    statement = parse(payload, S)
    exactly(statement, STATEMENT, S)
    if text_of(statement, "_type", S) != "https://in-toto.io/Statement/v1":
        raise Refused(f"{S} is not an in-toto Statement v1")
    if text_of(statement, "predicateType", S) != predicate_type:
        raise Refused(f"{S} is not of the type {predicate_type}")
    subjects = [_named(part) for part in parts_of(statement, "subject", SUBJECT, S)]
    if not subjects or len({subject.sha256 for subject in subjects}) != len(subjects):
        raise Refused(f"{S} is about nothing, or about one thing twice")
    statement["subject"] = subjects
    return statement


def _digest(part: dict[str, Any], algorithm: str) -> str:
    return hex_of(part_of(part, "digest", frozenset([algorithm]), S), algorithm, S)


def _named(part: dict[str, Any]) -> Model:
    return Model(text_of(part, "name", S), _digest(part, "sha256"))


def read_provenance(payload: bytes) -> Statement:
    """SLSA provenance v1 of a run (docs/formats/statement.md)."""
    statement = open_statement(payload, "https://slsa.dev/provenance/v1")
    predicate = part_of(statement, "predicate", names("buildDefinition runDetails"), S)
    fields = "buildType externalParameters internalParameters resolvedDependencies"
    build = part_of(predicate, "buildDefinition", names(fields), S)
    build_type = text_of(build, "buildType", S)
    if build_type not in BUILD_TYPES:
        raise Refused(f"{S} is not about a run")
    details = part_of(predicate, "runDetails", names("builder byproducts metadata"), S)
    times = names("finishedOn invocationId startedOn")
    metadata = part_of(details, "metadata", times, S)
    builder = text_of(part_of(details, "builder", names("id"), S), "id", S)
    outside = part_of(build, "externalParameters", names("command"), S)
    command = part_of(outside, "command", names("cloisterCommitmentV1"), S)
    versions, found = _dependencies(build)
    fence, indices, outputs, parity = _byproducts(details)
    origin = _origin(found["run"], parity)
    if (build_type == BUILD_TYPES[1]) != bool(found["hub"] or origin):
        raise Refused(f"{S} is of another kind than what it holds")
    return Statement(
        run=text_of(metadata, "invocationId", S),
        lab=_after("urn:cloister:lab:", builder),
        models=statement["subject"],
        versions=versions,
        code=_named(found["code"][0]),
        environment=_named(found["environment"][0]),
        command=hex_of(command, "cloisterCommitmentV1", S),
        settings=_settings(build),
        started=text_of(metadata, "startedOn", S),
        finished=text_of(metadata, "finishedOn", S),
        fence=fence,
        indices=indices,
        outputs=outputs,
        hub=[_pretrained(part) for part in found["hub"]],
        origin=origin,
    )


def _after(prefix: str, text: str) -> str:
    if not text.startswith(prefix):
        raise Refused(f"{S} was not made by a lab")
    return text[len(prefix) :]


def _settings(build: dict[str, Any]) -> dict[str, str]:
    parameters = part_of(build, "internalParameters", names("settings"), S)
    settings: dict[str, str] = part_of(parameters, "settings", None, S)
    for name in settings:
        text_of(settings, name, S)
    return settings


def _dependencies(build: dict[str, Any]) -> Any:
    versions: list[Version] = []
    found: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("code", "environment", "hub", "run")
    }
    for part in list_of(build, "resolvedDependencies", dict, S):
        uri = text_of(part, "uri", S)
        kind = uri[len("urn:cloister:") :]
        exactly(part, NOTED if kind in ("hub", "run") else DEPENDENCY, S)
        if uri == "urn:cloister:version":
            versions.append(
                Version(text_of(part, "name", S), _digest(part, "cloisterVersionV1"))
            )
        elif uri.startswith("urn:cloister:") and kind in found:
            found[kind].append(part)
        else:
            raise Refused(f"{S} depends on something unknown, {printable(uri, 60)}")
    if len(found["code"]) != 1 or len(found["environment"]) != 1:
        raise Refused(f"{S} does not name one code and one environment")
    return versions, found


def _pretrained(part: dict[str, Any]) -> Pretrained:
    noted = part_of(part, "annotations", names("license"), S)
    return Pretrained(
        text_of(part, "name", S), _digest(part, "sha256"), text_of(noted, "license", S)
    )


def _origin(parts: list[dict[str, Any]], parity: dict[str, Any] | None) -> Origin | None:
    if not parts and parity is None:
        return None
    if len(parts) != 1 or parity is None:
        raise Refused(f"{S} does not name one origin and one comparison with it")
    noted = part_of(parts[0], "annotations", ORIGIN, S)
    exactly(parity, PARITY, S)
    if text_of(parity, "source", S) not in ("held out", "made up"):
        raise Refused(f"{S} compares on rows from nowhere")
    for name in ("agreed", "compared", "rows"):
        count_of(parity, name, S)
    for name in ("max_abs", "max_rel", "tolerance"):
        if not DECIMAL.fullmatch(text_of(parity, name, S)):
            raise Refused(f"{S}: {name} is not a number")
    settings: dict[str, str] = part_of(noted, "settings", None, S)
    for name in settings:
        text_of(settings, name, S)
    return Origin(
        run=text_of(parts[0], "name", S),
        output=_digest(parts[0], "cloisterCommitmentV1"),
        command=hex_of(noted, "command", S),
        code=hex_of(noted, "code", S),
        environment=hex_of(noted, "environment", S),
        settings=settings,
        started=text_of(noted, "startedOn", S),
        finished=text_of(noted, "finishedOn", S),
        fence=part_of(noted, "fence", None, S),
        converter=text_of(parity, "converter", S),
        parity={name: parity[name] for name in parity if name != "converter"},
    )


def _byproducts(details: dict[str, Any]) -> Any:
    notes: dict[str, dict[str, Any]] = {}
    outputs: list[str] = []
    for part in list_of(details, "byproducts", dict, S):
        name = text_of(part, "name", S)
        if name == "output":
            exactly(part, SUBJECT, S)
            outputs.append(_digest(part, "cloisterCommitmentV1"))
        elif name in ("fence", "ledger", "parity") and name not in notes:
            exactly(part, names("annotations name"), S)
            notes[name] = part_of(part, "annotations", None, S)
        else:
            raise Refused(f"{S} has an unknown byproduct, {printable(name, 60)}, or one twice")
    if not notes.keys() >= names("fence ledger"):
        raise Refused(f"{S} lacks the fence report or the ledger indices")
    exactly(notes["ledger"], names("indices"), S)
    indices = list_of(notes["ledger"], "indices", int, S)
    return notes["fence"], indices, outputs, notes.get("parity")


# --- a model's bundle -------------------------------------------------------------------------


class Report:
    """What was found, in order."""

    def __init__(self) -> None:
        self.computed: list[Any] = []
        self.attested: list[Any] = []
        self.warnings: list[str] = []

    def compute(self, label: str, text: str) -> None:
        self.computed.append((label, text))

    def attest(self, label: str, text: str) -> None:
        self.attested.append((label, printable(text, 400)))


def same(found: object, stated: object, what: str) -> None:
    if found != stated:
        raise Refused(f"{what}: not what the statement says")


def check_model(folder: Folder, head: Head, payload: bytes, report: Report) -> list[Model]:
    statement, events = read_provenance(payload), Events()
    same(folder.about, statement.run, "manifest.json: the run")
    same(folder.lab, statement.lab, "manifest.json: the lab")
    events.read(folder, head, MODEL_EVENTS)
    report.compute("ledger", f"{len(events.indices)} of {head.size} entries proven")
    begun = check_run(statement, events)
    trained = check_origin(statement, events, begun, report) or begun
    check_hub(statement, events)
    check_signing(folder, events, statement)
    members = check_versions(folder, statement, events, trained, report)
    openings = read_openings(folder, events, members, report)
    check_models(folder, statement, events, openings, report)
    if "environment.json" in folder.files:
        digest = folder.files["environment.json"].sha256
        same(digest, statement.environment.sha256, "environment.json")
        report.compute("environment", "environment.json is the one the statement names")
    attest_run(statement, begun, report)
    return statement.models


def check_run(statement: Statement, events: Events) -> Entry:
    """The ledger's beginning and end of the run say what the statement says."""
    begun, ended = own(events, "run.begun", statement), own(events, "run.ended", statement)
    outputs = events.of("run.output")
    if statement.origin is not None:
        outputs = [entry for entry in outputs if entry.text("run") != statement.origin.run]
    for entry in [begun, ended, *outputs, *events.of("model.registered")]:
        same(entry.text("run"), statement.run, f"{entry.kind}: the run")
        if entry is not begun and entry.place <= begun.place:
            raise Refused(f"{entry.kind} stands in the ledger before run.begun")
    same(begun.hex("command_commitment"), statement.command, "run.begun: the command")
    same(begun.hex("code"), statement.code.sha256, "run.begun: the code")
    same(begun.hex("environment"), statement.environment.sha256, "run.begun: the environment")
    same(begun.body.get("settings"), statement.settings, "run.begun: the settings")
    same(begun.time, statement.started, "run.begun: the time")
    same(ended.time, statement.finished, "run.ended: the time")
    same(ended.body.get("fence"), statement.fence, "run.ended: the fence report")
    left = [entry.hex("commitment") for entry in outputs]
    same(left, statement.outputs, "run.output: the outputs")
    if not events.indices.issuperset(statement.indices):
        raise Refused(f"{S} points at ledger entries that are not in the bundle")
    return begun


def own(events: Events, kind: str, statement: Statement) -> Entry:
    """The only such entry; beside it, for a conversion, that of the run before."""
    if statement.origin is None:
        return events.one(kind)
    if len(events.of(kind)) != 2:
        raise Refused(f"events.jsonl: a {kind} of a third run")
    return events.one(kind, statement.run)


def check_origin(
    statement: Statement, events: Events, begun: Entry, report: Report
) -> Entry | None:
    """For a conversion: the ledger tells of the run before as the statement does."""
    origin = statement.origin
    if origin is None:
        same(len(events.of("model.exported")), 0, "model.exported: of another run")
        return None
    trained, ended = events.one("run.begun", origin.run), events.one("run.ended", origin.run)
    source, exported = events.one("run.output", origin.run), events.one("model.exported")
    same(trained.hex("command_commitment"), origin.command, "the original's command")
    same(trained.hex("code"), origin.code, "the original's code")
    same(trained.hex("environment"), origin.environment, "the original's environment")
    same(trained.body.get("settings"), origin.settings, "the original's settings")
    same((trained.time, ended.time), (origin.started, origin.finished), "the original's times")
    same(ended.body.get("fence"), origin.fence, "the original's fence report")
    same(source.hex("commitment"), origin.output, "the original")
    same(trained.body.get("versions"), begun.body.get("versions"), "the original's data")
    same(exported.text("run"), statement.run, "model.exported: the run")
    same(exported.text("origin"), origin.run, "model.exported: the origin")
    same(exported.hex("commitment"), origin.output, "model.exported: the original")
    same(exported.count("source"), source.place, "model.exported: the original's place")
    same(exported.text("converter"), origin.converter, "model.exported: the converter")
    same(exported.body.get("parity"), origin.parity, "model.exported: the comparison")
    if not trained.place < source.place < begun.place or ended.place >= begun.place:
        raise Refused("the conversion stands in the ledger before what it converted")
    if exported.place <= begun.place:
        raise Refused("model.exported stands in the ledger before run.begun")
    report.compute("converted", f"from an output of {printable(origin.run, 40)}, same data")
    return trained


def check_hub(statement: Statement, events: Events) -> None:
    """The ledger says which pretrained models the run was given."""
    given: list[Pretrained] = []
    for entry in events.of("hub.given"):
        same(entry.text("run"), statement.run, "hub.given: the run")
        for item in list_of(entry.body, "models", dict, entry.kind):
            exactly(item, names("license name sha256"), entry.kind)
            digest = hex_of(item, "sha256", entry.kind)
            terms = text_of(item, "license", entry.kind)
            given.append(Pretrained(text_of(item, "name", entry.kind), digest, terms))
    same(given, statement.hub, "hub.given: the pretrained models")


def check_signing(folder: Folder, events: Events, statement: Statement) -> None:
    """The ledger holds this very envelope: a stolen statement key alone is not enough."""
    signed = events.one("statement.signed")
    same(signed.text("run"), statement.run, "statement.signed: the run")
    if signed.text("envelope").encode() != folder.read("statement.dsse.json"):
        raise Refused("statement.signed: the ledger holds another envelope")
    if signed.place <= own(events, "run.ended", statement).place:
        raise Refused("statement.signed stands in the ledger before run.ended")


class Members(NamedTuple):
    """The records and labels of dataset versions, and whose they are."""

    records: dict[str, None]
    labels: dict[str, None]
    subjects: dict[str, None]


def check_versions(
    folder: Folder, statement: Statement, events: Events, begun: Entry, report: Report
) -> Members:
    """Recomputes the root of every version the run was given; all older than ``begun``."""
    given, parts = given_versions(begun)
    same(given, sorted(statement.versions), "run.begun: the data")
    files = [f"versions/{number}.jsonl" for number in range(1, len(given) + 1)]
    if sorted(folder.inside("versions")) != sorted(files):
        raise Refused(f"versions/: expected one file for each of {len(files)} versions")
    members = Members({}, {}, {})
    for path, version in zip(files, statement.versions):  # noqa: B905 - not in Python 3.9
        found = check_version(folder, path, version, events, begun)
        report.compute("dataset", f"{printable(version.name, 80)}  root {version.root[:16]}...")
        counts = [
            counted(len(found.records), "record"),
            counted(len(found.subjects), "subject"),
        ]
        counts += [counted(len(found.labels), "label"), "each in the ledger before the run"]
        report.compute("", ", ".join(counts))
        if parts[version.name]:
            part = printable(parts[version.name], 60)
            report.compute("", f"of these the run was given {part}")
        for all_of, some in zip(members, found):  # noqa: B905
            all_of.update(some)
    used = (len(members.records), len(members.labels), len(files))
    if used != (len(events.records), len(events.labels), len(events.of("version.committed"))):
        raise Refused("events.jsonl: entries that belong to no version of this run")
    return members


def given_versions(begun: Entry) -> tuple[list[Version], dict[str, str]]:
    """What run.begun says the run was given: versions, sorted, and which part of each."""
    found, parts, what = [], {}, "run.begun"
    for item in list_of(begun.body, "versions", dict, what):
        name = f"{text_of(item, 'dataset', what)}@{count_of(item, 'number', what)}"
        if name in parts:
            raise Refused("run.begun: names a dataset version twice")
        found.append(Version(name, hex_of(item, "root", what)))
        parts[name] = text_of(item, "part", what)
    return sorted(found), parts


LEAF = names("commitment labels meta object record subject")
MARK = names("commitment label")


def check_version(
    folder: Folder, path: str, version: Version, events: Events, begun: Entry
) -> Members:
    """Every leaf of one version, anchored by the entry that added it; then their root."""
    committed = find_commit(events, version, begun)
    found, tree, last = Members({}, {}, {}), Tree(), -1
    dataset = committed.text("dataset")
    for line in folder.lines(path):
        tree.add(line)
        what = f"{path} line {tree.size}"
        leaf = parse(line, what)
        exactly(leaf, LEAF, what)
        name = text_of(leaf, "record", what)
        record = events.records.get(name)
        if record is None:
            raise Refused(f"{what}: no ledger entry adds this record")
        here = (dataset, leaf["subject"], leaf["object"], leaf["commitment"], leaf["meta"])
        if here != record[1:]:
            raise Refused(f"{what}: not the record that the ledger entry adds")
        if not last < record.place < committed.place:
            raise Refused(f"{what}: out of ledger order, or added after the version")
        last = record.place
        for label in check_labels(leaf, events, committed.place, what):
            found.labels[label] = None
        found.records[name] = None
        if record.subject.startswith("sub_"):
            found.subjects[record.subject] = None
    if tree.root() != version.root:
        raise Refused(f"{path}: its Merkle root is not that of {printable(version.name)}")
    if tree.size != committed.count("records"):
        raise Refused(f"{path}: the version was committed with another number of records")
    return found


def find_commit(events: Events, version: Version, begun: Entry) -> Entry:
    for entry in events.of("version.committed"):
        if f"{entry.text('dataset')}@{entry.count('number')}" == version.name:
            same(entry.hex("root"), version.root, "version.committed: the root")
            if entry.place >= begun.place:
                raise Refused("version.committed stands in the ledger after run.begun")
            return entry
    raise Refused(f"events.jsonl: no version.committed for {printable(version.name)}")


def check_labels(leaf: dict[str, Any], events: Events, before: int, what: str) -> Iterator[str]:
    last = ""
    for mark in parts_of(leaf, "labels", MARK, what):
        name = text_of(mark, "label", what)
        label = events.labels.get(name)
        if label is None:
            raise Refused(f"{what}: no ledger entry adds this label")
        if (leaf["record"], mark["commitment"]) != label[1:]:
            raise Refused(f"{what}: not the label that the ledger entry adds")
        if name <= last or label.place >= before:
            raise Refused(f"{what}: labels out of order, or added after the version")
        last = name
        yield name


OPENING = names("name salt sha256")


def read_openings(
    folder: Folder, events: Events, members: Members, report: Report
) -> dict[str, Opening]:
    """Openings of commitments, each checked; with contents, where those are disclosed."""
    commitments = {name: events.records[name].commitment for name in members.records}
    commitments.update((name, events.labels[name].commitment) for name in members.labels)
    for entry in events.of("run.output"):
        commitments[f"output-{entry.place}"] = entry.hex("commitment")
    openings: dict[str, Opening] = {}
    contents = 0
    for path in folder.inside("disclosures"):
        name, _, kind = path[len("disclosures/") :].rpartition(".")
        if kind == "json":
            openings[name] = read_opening(folder, path, name, commitments.get(name))
    for path in folder.inside("disclosures"):
        name, _, kind = path[len("disclosures/") :].rpartition(".")
        if kind == "bin":
            if name not in openings or openings[name].digest != folder.files[path].sha256:
                raise Refused(f"{path}: not the content that was committed to")
            contents += 1
    shown = [name for name in openings if not name.startswith("output-")]
    if shown or contents:
        text = f"{counted(len(shown), 'commitment')} opened"
        report.compute("disclosed", f"{text}, {counted(contents, 'content')} as committed to")
    return openings


def read_opening(folder: Folder, path: str, name: str, commitment: str | None) -> Opening:
    value = parse(folder.read(path), path)
    exactly(value, OPENING, path)
    salt = bytes.fromhex(hex_of(value, "salt", path))
    opening = Opening(salt, hex_of(value, "sha256", path))
    if text_of(value, "name", path) != name or commitment is None:
        raise Refused(f"{path}: opens nothing that this bundle proves")
    if not opening.opens(commitment):
        raise Refused(f"{path}: does not open the commitment")
    return opening


def check_models(
    folder: Folder,
    statement: Statement,
    events: Events,
    openings: dict[str, Opening],
    report: Report,
) -> None:
    """Each model is an output of this run, and a file in models/ is one of them."""
    outputs = {e.place for e in events.of("run.output") if e.text("run") == statement.run}
    registered: dict[str, int] = {}
    for entry in events.of("model.registered"):
        place, digest = entry.count("output"), entry.hex("sha256")
        if place not in outputs or place >= entry.place or digest in registered:
            raise Refused("model.registered: not an output of this run, or twice")
        registered[digest] = place
    same(registered.keys(), {model.sha256 for model in statement.models}, "model.registered")
    homes: dict[str, str] = {}
    for model in statement.models:
        opening = openings.get(f"output-{registered[model.sha256]}")
        if opening is None or opening.digest != model.sha256:
            raise Refused(f"{printable(model.name)}: not shown to be what the run left")
        homes[f"models/{model.name}"] = homes[f"models/{model.sha256}"] = model.sha256
    for path in folder.inside("models"):
        if homes.get(path) != folder.files[path].sha256:
            raise Refused(f"{path} is not a model of the statement")
    carried = {folder.files[path].sha256 for path in folder.inside("models")}
    for model in statement.models:
        where = "its file is here" if model.sha256 in carried else "its file is not here"
        report.compute("model", f"{printable(model.name, 80)}  left by this run, {where}")
        report.compute("", f"sha256 {model.sha256}")
    warn_of_taint(events, statement, report)


def warn_of_taint(events: Events, statement: Statement, report: Report) -> None:
    digests = {model.sha256 for model in statement.models}
    for entry in events.of("model.tainted"):
        same(entry.text("run"), statement.run, "model.tainted: the run")
        if entry.hex("sha256") not in digests:
            raise Refused("model.tainted: about another model")
        operation = printable(entry.text("operation"), 40)
        text = f"tainted: data that trained this model was erased since ({operation},"
        report.warnings.append(f"{text} ledger entry {entry.place})")


LEVELS = names("full partial none")
FENCE = names(
    "exit_status level network_attempts notes peak_memory_bytes refused_syscalls"
    " setup_ms wall_ms"
)


def attest_run(statement: Statement, begun: Entry, report: Report) -> None:
    fence, what = statement.fence, "the fence report"
    exactly(fence, FENCE, what)
    report.attest("lab", statement.lab)
    report.attest("run", statement.run)
    report.attest("time", f"{statement.started} to {statement.finished}")
    report.attest("who", begun.actor)
    status = count_of(fence, "exit_status", what)
    leaving = count_of(fence, "network_attempts", what)
    level = text_of(fence, "level", what)
    if level not in LEVELS:
        raise Refused(f"{what}: an unknown level, {printable(level, 40)}")
    report.attest(
        "fence", f"{level}; exit status {status}; {counted(leaving, 'attempt')} to leave"
    )
    for name in sorted(part_of(fence, "refused_syscalls", None, what)):
        times = count_of(fence["refused_syscalls"], name, what)
        report.attest("", f"refused {name}: {counted(times, 'time')}")
    for note in list_of(fence, "notes", str, what):
        report.attest("", note)
    report.attest("code", f"{statement.code.name}  sha256 {statement.code.sha256}")
    environment = statement.environment
    report.attest("environment", f"{environment.name}  sha256 {environment.sha256}")
    for name in sorted(statement.settings):
        report.attest("setting", f"{name} = {statement.settings[name]}")
    for model in statement.hub:
        report.attest("pretrained", f"{model.name}  {model.license}  sha256 {model.sha256}")
    if statement.origin is not None:
        attest_origin(statement.origin, report)


def attest_origin(origin: Origin, report: Report) -> None:
    exactly(origin.fence, FENCE, "the original's fence report")
    report.attest("original", f"{origin.run}, {origin.started} to {origin.finished}")
    report.attest("", f"code sha256 {origin.code}")
    report.attest("", f"environment sha256 {origin.environment}")
    report.attest("", f"fence {text_of(origin.fence, 'level', 'the fence report')}")
    parity = origin.parity
    report.attest("conversion", origin.converter)
    report.attest("", f"compared on {counted(parity['rows'], 'row')}, {parity['source']}")
    report.attest(
        "",
        f"largest difference {parity['max_abs']}, relative {parity['max_rel']}"
        f" (tolerance {parity['tolerance']})",
    )
    if parity["compared"]:
        report.attest("", f"same label for {parity['agreed']} of {parity['compared']}")


# --- an erasure's bundle ----------------------------------------------------------------------

C = "the certificate"
CERTIFICATE = names("approvers inventory keys lab models operation probes reason remains time")
KEYS = names("destroyed epoch_after epoch_before level meaning receipt survivors")


def check_erasure(folder: Folder, head: Head, payload: bytes, report: Report) -> list[Model]:
    statement, events = open_statement(payload, "urn:cloister:erasure:v1"), Events()
    certificate = part_of(statement, "predicate", CERTIFICATE, C)
    same(folder.about, text_of(certificate, "operation", C), "manifest.json: the operation")
    same(folder.lab, text_of(certificate, "lab", C), "manifest.json: the lab")
    for path in sorted(folder.files.keys() - ALWAYS):
        raise Refused(f"{path} has no part in an erasure")
    events.read(folder, head, ERASURE_EVENTS)
    report.compute("ledger", f"{len(events.indices)} of {head.size} entries proven")
    subjects = [subject.name for subject in statement["subject"]]
    if any(sha256(name.encode()) != digest for name, digest in statement["subject"]):
        raise Refused(f"{C}: a pseudonym and its digest do not match")
    check_steps(folder, events, certificate, subjects)
    erased = counted(len(subjects), "pseudonym")
    report.compute("erasure", f"{printable(folder.about, 40)}, {erased}")
    report.compute("", "intended, completed and certified in the ledger")
    tainted = {entry.hex("sha256") for entry in events.of("model.tainted")}
    models = parts_of(certificate, "models", names("disposition run sha256"), C)
    if tainted != {hex_of(item, "sha256", C) for item in models}:
        raise Refused("model.tainted: not the models that the certificate names")
    attest_erasure(certificate, subjects, report)
    return []


def check_steps(
    folder: Folder, events: Events, certificate: dict[str, Any], subjects: list[str]
) -> None:
    """The ledger's intention and end of the erasure say what the certificate says."""
    intended, completed = events.one("erase.intended"), events.one("erase.completed")
    for entry in [intended, completed, *events.of("model.tainted")]:
        same(entry.text("operation"), folder.about, f"{entry.kind}: the operation")
        if not intended.place <= entry.place <= completed.place:
            raise Refused(f"{entry.kind} stands in the ledger outside the erasure")
    same(intended.body.get("subjects"), subjects, "erase.intended: the pseudonyms")
    same(intended.body.get("reason"), certificate["reason"], "erase.intended: the reason")
    keys = part_of(certificate, "keys", KEYS, C)
    for name in sorted(KEYS - {"meaning", "receipt"}):
        same(completed.body.get(name), keys[name], f"erase.completed: {name}")
    if completed.text("certificate").encode() != folder.read("statement.dsse.json"):
        raise Refused("erase.completed: the ledger holds another certificate")


def attest_erasure(certificate: dict[str, Any], subjects: list[str], report: Report) -> None:
    keys = certificate["keys"]
    report.attest("lab", certificate["lab"])
    report.attest("time", text_of(certificate, "time", C))
    report.attest("reason", text_of(certificate, "reason", C))
    report.attest("approved by", ", ".join(list_of(certificate, "approvers", str, C)))
    report.attest("pseudonyms", ", ".join(subjects))
    destroyed, kept = count_of(keys, "destroyed", C), count_of(keys, "survivors", C)
    before, after = count_of(keys, "epoch_before", C), count_of(keys, "epoch_after", C)
    report.attest("keys", f"{destroyed} destroyed, {kept} kept, epoch {before} became {after}")
    report.attest("receipt", text_of(keys, "receipt", C))
    report.attest("level", f"{text_of(keys, 'level', C)}: {text_of(keys, 'meaning', C)}")
    inventory = part_of(certificate, "inventory", None, C)
    counts = (f"{name} {count_of(inventory, name, C)}" for name in sorted(inventory))
    report.attest("touched", ", ".join(counts))
    for item in certificate["models"]:
        report.attest("model", f"{text_of(item, 'disposition', C)}: sha256 {item['sha256']}")
    for item in parts_of(certificate, "remains", names("what why"), C):
        report.attest("remains", f"{text_of(item, 'what', C)}: {text_of(item, 'why', C)}")
    for item in parts_of(certificate, "probes", names("expected opened tried what"), C):
        tried, opened = count_of(item, "tried", C), count_of(item, "opened", C)
        if opened != count_of(item, "expected", C) or opened > tried:
            raise Refused(f"{C}: a probe did not find what an erasure leaves")
        report.attest("probe", f"{text_of(item, 'what', C)}: {opened} of {tried} opened")


# --- the verdict ------------------------------------------------------------------------------

KINDS = {"model": check_model, "erasure": check_erasure}


def check(options: argparse.Namespace, report: Report) -> int:
    """All checks; gives VERIFIED or UNANCHORED, raises Refused or Misused."""
    if not os.path.isdir(options.bundle):
        raise Misused(f"{options.bundle} is not a folder")
    trusted = read_trust(options)
    folder = Folder(options.bundle)
    folder.check()
    keys = read_keys(folder)
    if trusted is not None and trusted != keys:
        raise Refused("the bundle is signed under other keys than those you trust")
    if folder.files["README.txt"].sha256 != README_SHA256:
        raise Refused("README.txt: not the text of this format")
    head = open_checkpoint(folder.read("checkpoint.txt"), keys.log, "checkpoint.txt")
    payload = open_envelope(folder.read("statement.dsse.json"), keys.statement)
    size = sum(listed.size for listed in folder.files.values())
    report.compute("files", f"{len(folder.files)}, {size} bytes, as listed and none besides")
    report.compute("statement", f"signed by {keys.statement.id()}")
    report.compute("checkpoint", f"signed by {keys.log.id()}")
    if head.others:
        report.compute("", f"{counted(head.others, 'further signature')}, not checked")
    if folder.kind not in KINDS:
        raise Refused("manifest.json: an unknown kind of bundle")
    models = KINDS[folder.kind](folder, head, payload, report)
    check_own_file(options.file, models, report)
    check_other_head(options, head, keys.log, report)
    return UNANCHORED if trusted is None else VERIFIED


def read_trust(options: argparse.Namespace) -> Keys | None:
    if options.trust is None:
        return None
    inside = os.path.realpath(options.bundle) + os.sep
    if os.path.realpath(options.trust).startswith(inside):
        raise Misused("--trust names a file of the bundle itself: get lab.pub from elsewhere")
    try:
        return parse_keys(read_outside(options.trust).decode("utf-8"))
    except (Refused, UnicodeDecodeError) as error:
        raise Misused(f"--trust {options.trust}: {error}") from None


def read_keys(folder: Folder) -> Keys:
    data = folder.read("lab.pub")
    try:
        keys = parse_keys(data.decode("utf-8", "replace"))
    except Refused as error:
        raise Refused(f"lab.pub: {error}") from None
    if data != keys.text().encode():
        raise Refused("lab.pub: holds more than the two keys")
    return keys


def check_own_file(path: str | None, models: list[Model], report: Report) -> None:
    if path is None:
        return
    try:
        with open(path, "rb") as file:
            digest = digest_of(file).sha256
    except OSError as error:
        raise Misused(f"--file {path}: {error.strerror}") from None
    for model in models:
        if model.sha256 == digest:
            report.compute("your file", f"is {printable(model.name, 80)}")
            return
    raise Refused(f"your file is none of the models: its sha256 is {digest}")


def check_other_head(options: argparse.Namespace, head: Head, key: Key, report: Report) -> None:
    """A head seen elsewhere, of this ledger: one of the two must extend the other."""
    if options.checkpoint is None:
        return
    other = open_checkpoint(read_outside(options.checkpoint), key, "your checkpoint")
    proof = []
    if options.consistency is not None:
        lines = read_outside(options.consistency).decode("ascii", "replace").split()
        proof = [unbase64(line, "your consistency proof") for line in lines]
    elif other.size != head.size:
        sizes = f"{other.size} and {head.size}"
        raise Misused(f"the checkpoints have {sizes} entries: --consistency PROOF is needed")
    old, new = sorted([other, head], key=lambda one: one.size)
    if not consistent(old, new, proof):
        raise Refused("your checkpoint and the bundle's tell two different histories")
    report.compute("history", f"the same as your checkpoint's, {other.size} entries")


def read_outside(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(SMALL + 1)
    except OSError as error:
        raise Misused(f"{path}: {error.strerror}") from None
    if len(data) > SMALL:
        raise Misused(f"{path}: too large")
    return data


VERDICTS = {VERIFIED: "VERIFIED", REFUSED: "REFUSED", UNANCHORED: "UNANCHORED"}
BY_ITSELF = "all checks passed, but under keys that came with the bundle: anyone can make one"


def show(status: int, reason: str, report: Report, as_json: bool) -> None:
    sections = {"computed": report.computed, "attested": report.attested}
    if as_json:
        value: dict[str, Any] = {"verdict": VERDICTS[status], "reason": reason}
        for name, lines in sections.items():
            value[name] = [{"what": label, "found": text} for label, text in lines]
        print(json.dumps({**value, "warnings": report.warnings}, indent=2))
        return
    titles = {"computed": "computed here", "attested": "attested by the lab, not checked here"}
    for name, lines in sections.items() if status != REFUSED else ():
        print(titles[name])
        for label, text in lines:
            for number, line in enumerate(textwrap.wrap(text, 80, break_on_hyphens=False)):
                print(f"  {'' if number else label:<11}  {line}")
    for warning in report.warnings if status != REFUSED else ():
        print(f"warning: {warning}")
    print(f"{VERDICTS[status]}: {reason}" if reason else VERDICTS[status])


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cloister_verify.py",
        description="Checks a Cloister proof bundle.",
        epilog="exit status: 0 VERIFIED, 1 REFUSED, 2 usage, 3 UNANCHORED",
    )
    add = parser.add_argument
    add("bundle", help="the bundle's folder")
    add("--trust", metavar="LAB.PUB", help="the lab's keys, got from somewhere you trust")
    add("--file", metavar="MODEL", help="your own copy of the model")
    add("--checkpoint", metavar="NOTE", help="a checkpoint of this lab seen elsewhere")
    add("--consistency", metavar="PROOF", help="base64 hashes that connect the checkpoints")
    add("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options, report = read_options(arguments), Report()
    try:
        status = check(options, report)
        reason = "" if status == VERIFIED else BY_ITSELF
    except Misused as error:
        print(f"cloister_verify.py: {printable(error, 400)}", file=sys.stderr)
        return USAGE
    except Refused as error:
        status, reason = REFUSED, printable(error, 400)
    except Exception as error:  # noqa: BLE001 - a check that breaks must never let pass
        status, reason = REFUSED, f"the check broke: {type(error).__name__}"
    try:
        show(status, reason, report, options.json)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough; the exit status still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


if __name__ == "__main__":
    sys.exit(main())
