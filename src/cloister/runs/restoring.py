"""A working folder as a run found it, put back from the archive of its code."""

from __future__ import annotations

import difflib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from cloister.core.errors import Tampered

_FILES = "files/"
_LONGEST_LINE = 200
_MOST_LINES = 400
_LARGEST_FILE = 512 << 10


@dataclass(frozen=True, slots=True)
class Tree:
    """Files and folders of an archive."""

    files: Mapping[str, bytes] = field(repr=False)
    executable: frozenset[str]
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeChange:
    """One file whose code differs, and the first line where it does."""

    path: str = field(repr=False)
    kind: str
    """``added``, ``removed`` or ``changed``."""
    line: int
    """In the newer file, counted from 1; 0 where there is none."""
    before: str = field(default="", repr=False)
    after: str = field(default="", repr=False)
    lines: int = 0
    """How many lines differ."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file whose code differs, line by line."""

    path: str = field(repr=False)
    kind: str
    """``added``, ``removed`` or ``changed``."""
    lines: tuple[str, ...] = field(repr=False)
    """As ``diff -u`` writes them, without the two that name the file."""
    cut: bool
    """Whether more lines follow than are given."""


def unpack(archive: bytes) -> Tree:
    """What an archive of ``code.capture`` holds; raises Tampered for a path that leaves it."""
    files: dict[str, bytes] = {}
    folders: list[str] = []
    executable: set[str] = set()
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        for member in tar:
            if not member.name.startswith(_FILES):
                continue
            name = member.name.removeprefix(_FILES)
            if {"", ".", ".."}.intersection(name.split("/")):
                raise Tampered("a path in an archive of code leaves its folder")
            content = tar.extractfile(member)
            if content is None:
                folders.append(name)
                continue
            files[name] = content.read()
            if member.mode & 0o100:
                executable.add(name)
    return Tree(files, frozenset(executable), tuple(folders))


def write(tree: Tree, folder: int) -> None:
    """Writes ``tree`` below the empty directory that ``folder`` is open on."""
    for name in tree.folders:
        _make(folder, name)
    for name, content in tree.files.items():
        _make(folder, os.path.dirname(name))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = 0o755 if name in tree.executable else 0o644
        with os.fdopen(os.open(name, flags, mode, dir_fd=folder), "wb") as file:
            file.write(content)


def _make(folder: int, path: str) -> None:
    at = ""
    for name in path.split("/") if path else ():
        at = f"{at}/{name}" if at else name
        try:
            os.mkdir(at, 0o755, dir_fd=folder)
        except FileExistsError:
            continue


def changes(before: Tree, after: Tree) -> Iterator[CodeChange]:
    """How the files of two trees differ, by path."""
    for path in sorted({*before.files, *after.files}):
        old, new = before.files.get(path), after.files.get(path)
        if old is None:
            yield CodeChange(path, "added", 1, lines=len(_lines(new or b"")))
        elif new is None:
            yield CodeChange(path, "removed", 0, lines=len(_lines(old)))
        elif old != new:
            yield _changed(path, _lines(old), _lines(new))


def unified(before: Tree, after: Tree) -> Iterator[FileChange]:
    """How the files of two trees differ, by path, with the lines around each change."""
    for path in sorted({*before.files, *after.files}):
        old, new = before.files.get(path), after.files.get(path)
        if old == new:
            continue
        kind = "added" if old is None else "removed" if new is None else "changed"
        if max(len(old or b""), len(new or b"")) > _LARGEST_FILE:
            yield FileChange(path, kind, (), True)
            continue
        told = difflib.unified_diff(_lines(old or b""), _lines(new or b""), n=3)
        found = [line.rstrip("\n")[:_LONGEST_LINE] for line in islice(told, 2, _MOST_LINES + 3)]
        yield FileChange(path, kind, tuple(found[:_MOST_LINES]), len(found) > _MOST_LINES)


def _changed(path: str, old: list[str], new: list[str]) -> CodeChange:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    blocks = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    _, old_at, old_end, new_at, _ = blocks[0]
    return CodeChange(
        path=path,
        kind="changed",
        line=new_at + 1,
        before=old[old_at].strip()[:_LONGEST_LINE] if old_at < old_end else "",
        after=new[new_at].strip()[:_LONGEST_LINE] if new_at < len(new) else "",
        lines=sum(max(b - a, d - c) for _, a, b, c, d in blocks),
    )


def _lines(content: bytes) -> list[str]:
    """Lines with their ends, so that a file whose ends alone differ differs."""
    return content.decode("utf-8", "backslashreplace").splitlines(keepends=True)
