"""A pretrained model as a folder of files: which may be kept, and the name of all of it.

An allow-list by name and content, as for models that runs leave: weights as safetensors,
settings as JSON, vocabularies as text. Pickled weights are refused unread, and so is Python,
unless it is asked for by name: ``from_pretrained(trust_remote_code=True)`` would run it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cloister.core.canonical import canonical
from cloister.core.errors import BadInput
from cloister.models.formats import ModelFormat, recognise

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
LICENSE = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
_TEXTS = (".txt", ".md", ".jinja", ".vocab", ".merges", ".gitattributes")
_PLAIN = ("license", "notice", "readme", "vocab", "merges")
_MOST_FILES = 10_000
_LARGEST_TEXT = 256 << 20
_LARGEST_HEADER = 100_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One file of a snapshot."""

    path: str
    """Below the folder, with ``/``."""
    sha256: str
    size_bytes: int

    def body(self) -> dict[str, str | int]:
        """As manifest and event have it."""
        return {"path": self.path, "sha256": self.sha256, "size": self.size_bytes}


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a pretrained model is, by digest."""

    name: str
    license: str
    files: tuple[SnapshotFile, ...]

    def document(self) -> bytes:
        """Canonical JSON (docs/formats/hub-manifest.md)."""
        files = [one.body() for one in sorted(self.files, key=lambda one: one.path)]
        return canonical({"files": files, "license": self.license, "name": self.name, "v": 1})

    @property
    def sha256(self) -> str:
        """What the record and statements call the model."""
        return hashlib.sha256(self.document()).hexdigest()


def check_name(name: str, license_id: str) -> None:
    """Raises BadInput unless ``from_pretrained`` could know the name, and a licence is said."""
    if not NAME.fullmatch(name) or ".." in name or "--" in name:
        raise BadInput(
            "a pretrained model is called NAME or ORG/NAME: letters, digits, dots, dashes",
            hint="--name bert-base",
        )
    if not LICENSE.fullmatch(license_id):
        raise BadInput("a licence is an SPDX identifier", hint="--license apache-2.0")


def files_of(folder: Path, without: Sequence[str] = ()) -> Iterator[tuple[str, Path]]:
    """Every file to keep, by its path below ``folder``; hidden folders are left out.

    ``without`` leaves out what matches. Links are followed to where the hub's own cache puts
    what they name (``blobs`` beside ``snapshots``), and nowhere else: raises BadInput.
    """
    real = folder.resolve()
    blobs = real.parent.parent / "blobs"
    found = 0
    for place, folders, names in os.walk(real):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            inside = path.relative_to(real).as_posix()
            if any(fnmatchcase(inside, pattern) for pattern in without):
                continue
            target = path.resolve()
            if real not in target.parents and blobs not in target.parents:
                raise BadInput(f"{inside} is a link that leads out of the folder")
            if not target.is_file():
                raise BadInput(f"{inside} is not a plain file")
            found += 1
            if found > _MOST_FILES:
                raise BadInput("the folder holds more files than any pretrained model")
            yield inside, target


def check_file(path: str, content: Path, *, allow_code: bool = False) -> None:
    """Raises BadInput for a file that may not be kept, and says why."""
    name = path.rpartition("/")[2].lower()
    suffix = Path(name).suffix
    with content.open("rb") as file:
        head = file.read(8)
        if name.endswith(".safetensors"):
            _check_weights(path, head, content)
        elif suffix == ".json":
            _check_json(path, content, allow_code=allow_code)
        elif suffix == ".py":
            if not allow_code:
                raise BadInput(
                    f"{path} is Python that from_pretrained would run",
                    hint="read it, then --allow-code; or --without '*.py'",
                )
        elif suffix == ".model":
            _check_sentencepiece(path, head)
        elif suffix in _TEXTS or name in _TEXTS or name.partition(".")[0] in _PLAIN:
            _check_text(path, content)
        else:
            raise BadInput(
                f"{path} may not be kept: {_why(suffix)}",
                hint=f"leave it out: --without '*{suffix or name}'",
            )


def _why(suffix: str) -> str:
    if suffix in {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"}:
        return "pickled weights run whatever code they name; safetensors do not"
    return "only safetensors, JSON, vocabularies and texts are"


def _check_weights(path: str, head: bytes, content: Path) -> None:
    length = int.from_bytes(head, "little")
    if length > _LARGEST_HEADER or content.stat().st_size < 8 + length:
        raise BadInput(f"{path} is not a safetensors file")
    with content.open("rb") as file:
        start = file.read(8 + length)
    try:
        known = recognise(start) is ModelFormat.SAFETENSORS
        json.loads(start[8:])
    except (BadInput, ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not a safetensors file") from error
    if not known:
        raise BadInput(f"{path} is not a safetensors file")


def _check_json(path: str, content: Path, *, allow_code: bool) -> None:
    try:
        value = json.loads(_text(path, content))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON") from error
    if isinstance(value, dict) and "auto_map" in value and not allow_code:
        raise BadInput(
            f"{path} names Python that from_pretrained would load (auto_map)",
            hint="read that code, then --allow-code",
        )


def _check_sentencepiece(path: str, head: bytes) -> None:
    # SentencePiece's first field, or the base64 lines of tiktoken
    if head[:1] != b"\x0a" and not re.fullmatch(rb"[A-Za-z0-9+/= \n]+", head):
        raise BadInput(f"{path} is no vocabulary of SentencePiece or tiktoken")


def _check_text(path: str, content: Path) -> None:
    if "\0" in _text(path, content):
        raise BadInput(f"{path} is not text")


def _text(path: str, content: Path) -> str:
    if content.stat().st_size > _LARGEST_TEXT:
        raise BadInput(f"{path} is larger than any settings or vocabulary")
    try:
        return content.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text") from error


def chunks_of(content: Path) -> Iterator[bytes]:
    """The bytes of one file."""
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
