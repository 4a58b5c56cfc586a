"""The code a run starts from: commit, changes and new files, as one archive with one digest."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloister.core.canonical import canonical

_LANGUAGES = ".py .pyi .ipynb .sh .bash .r .jl .c .cc .cpp .cu .h .hpp .rs .go .java .js .ts"
_SETTINGS = ".toml .yaml .yml .cfg .ini .json .txt .md .lock"
_SUFFIXES = frozenset([*_LANGUAGES.split(), *_SETTINGS.split()])
_NAMES = frozenset({"Makefile", "Dockerfile", "Pipfile", "Snakefile", ".gitignore"})
_LARGEST_FILE = 1 << 20
_LARGEST_ARCHIVE = 32 << 20
_MOST_FOLDERS = 500
_SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".cache"})
_SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    rb"|\bclo_[A-Za-z0-9_-]{43}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    rb"|\b(?:[0-9A-HJKMNP-TV-Z]{4}-){8}[0-9A-HJKMNP-TV-Z]{4}\b"  # the recovery kit's code
)
_QUIET_GIT = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
"""A folder's own git settings may name programs, which would run outside the fence."""


@dataclass(frozen=True, slots=True)
class CodeState:
    """The code as a run found it."""

    digest: str
    """SHA-256, hex, over commit, diff and the digests of all files that are code."""
    commit: str | None
    """Git commit, when the working folder is in a repository that does not ignore it."""
    clean: bool
    """Whether that commit alone says it all."""
    archive: bytes
    """A tar of every file that is code, of the folders, and of the diff, to be sealed: the
    working folder can be restored from it without the repository."""
    withheld: int
    """Files left out of the archive: too large, unreadable, or holding what looks like a
    secret. Their digests count all the same."""


def capture(
    workdir: Path, *, exclude: Sequence[Path] = (), named: Sequence[str] = ()
) -> CodeState:
    """The code state of ``workdir``; ``exclude`` names folders of data, without links.

    ``named`` is what a command says: code that is named there is kept although git ignores it.

    Code is what has a suffix of a language or of settings: tables and images are no code,
    and an archive outlives the erasure of whoever they are about.
    """
    # Of a folder that git ignores as a whole, the repository around it says nothing.
    ignored = _git(workdir, "check-ignore", "--quiet", str(workdir)) is not None
    commit = None if ignored else _git(workdir, "rev-parse", "HEAD")
    tracked: list[str] = []
    if commit is None:
        files, diff = list(_loose_files(workdir, exclude)), b""
    else:
        inside = [path.relative_to(workdir) for path in exclude if workdir in path.parents]
        but = [f":(exclude,literal){path}" for path in inside]
        safe = ("--binary", "--no-ext-diff", "--no-textconv")
        diff = _git(workdir, "diff", "HEAD", *safe, "--", ".", *but) or b""
        listed = _git(workdir, "ls-files", "--others", "--exclude-standard", "-z") or b""
        known = _git(workdir, "ls-files", "--cached", "-z") or b""
        tracked = list(_names(workdir, known, exclude))
        loose = {*_names(workdir, listed, exclude), *_named(workdir, named, exclude)}
        files = list(loose.difference(tracked))
    folders = list(_folders(workdir, exclude))
    return _archive(workdir, commit, diff, sorted(files), [*folders, *sorted(tracked)])


def besides(workdir: Path, state: CodeState, *, exclude: Sequence[Path] = ()) -> list[str]:
    """Files of ``workdir`` that are not in the archive: of each folder first, then below."""
    with tarfile.open(fileobj=io.BytesIO(state.archive), mode="r:") as tar:
        kept = {one.name for one in tar}
    found = [
        _shown(os.path.relpath(here / name, workdir))
        for here, _, names in _walk(workdir, exclude)
        for name in sorted(names)
    ]
    return [one for one in found if f"files/{one}" not in kept]


def _names(workdir: Path, listed: bytes, exclude: Sequence[Path]) -> Iterator[str]:
    for name in (os.fsdecode(name) for name in listed.split(b"\0") if name):
        if _wanted(workdir / name, exclude):
            yield name


def _named(workdir: Path, words: Sequence[str], exclude: Sequence[Path]) -> Iterator[str]:
    for word in words:
        name = os.path.relpath(workdir / word, workdir)
        if not name.startswith(os.pardir) and _wanted(workdir / name, exclude):
            yield name


def _folders(workdir: Path, exclude: Sequence[Path]) -> Iterator[str]:
    """Folders near the top, empty ones too: a script writes to them without making them."""
    counted = 0
    for here, folders, _ in _walk(workdir, exclude):
        for name in folders:
            counted += 1
            if counted <= _MOST_FOLDERS:
                yield os.path.relpath(here / name, workdir)
        if here != workdir or counted > _MOST_FOLDERS:
            folders.clear()


def _archive(
    workdir: Path, commit: bytes | None, diff: bytes, files: Sequence[str], rest: Sequence[str]
) -> CodeState:
    """``files`` count in the digest; ``rest`` is what the commit and the diff say already."""
    digests: list[dict[str, str]] = []
    buffer, withheld = io.BytesIO(), 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _put(tar, "changes.diff", b"" if _SECRET.search(diff) else diff)
        for name in [*files, *rest]:
            path = workdir / name
            shown = _shown(name)
            if path.is_dir():
                _put(tar, f"files/{shown}", None)
                continue
            digest, content = _read(path)
            if len(digests) < len(files):
                digests.append({"path": shown, "sha256": digest})
            room = _LARGEST_ARCHIVE - buffer.tell()
            if content is None or len(content) > room or _SECRET.search(content):
                withheld += 1
            else:
                _put(tar, f"files/{shown}", content, executable=os.access(path, os.X_OK))
    head = commit.decode().strip() if commit else None
    state = {"commit": head, "diff": hashlib.sha256(diff).hexdigest(), "files": digests}
    return CodeState(
        digest=hashlib.sha256(canonical(state)).hexdigest(),
        commit=head,
        clean=bool(head) and not diff and not digests,
        archive=buffer.getvalue(),
        withheld=withheld,
    )


def _read(path: Path) -> tuple[str, bytes | None]:
    """SHA-256, hex, and the bytes if they are few; of what nobody may read, neither."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            content = file.read(_LARGEST_FILE + 1)
    except OSError:
        return "", None
    return digest, content if len(content) <= _LARGEST_FILE else None


def _put(
    tar: tarfile.TarFile, name: str, content: bytes | None, *, executable: bool = False
) -> None:
    """A file, or a folder where there is no content."""
    info = tarfile.TarInfo(name)  # no owner, no time: the same code gives the same archive
    info.mode = 0o755 if executable or content is None else 0o644
    if content is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        return
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _loose_files(workdir: Path, exclude: Sequence[Path]) -> Iterator[str]:
    for here, _, names in _walk(workdir, exclude):
        for name in names:
            path = here / name
            if _wanted(path, exclude):
                yield os.path.relpath(path, workdir)


def _walk(
    workdir: Path, exclude: Sequence[Path]
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`, folders in order, past those that hold no code; who clears a list of
    folders goes no deeper there."""
    for folder, folders, names in os.walk(workdir):
        here = Path(folder)
        folders[:] = [
            name
            for name in sorted(folders)
            if name not in _SKIPPED and not _inside(here / name, exclude)
        ]
        yield here, folders, names


def _shown(name: str) -> str:
    """A name of any bytes, as it stands in the archive."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _wanted(path: Path, exclude: Sequence[Path]) -> bool:
    return (
        (path.suffix.lower() in _SUFFIXES or path.name in _NAMES)
        and os.path.isfile(path)  # a word of a command may be no path that can be
        and not path.is_symlink()
        and not _inside(path, exclude)
    )


def _inside(path: Path, folders: Sequence[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)


def _git(workdir: Path, *arguments: str) -> bytes | None:
    """What git says, or None outside a repository or without git."""
    try:
        done = subprocess.run(  # noqa: S603 - constant arguments
            ["git", "-C", str(workdir), *_QUIET_GIT, *arguments],  # noqa: S607 - the user's git
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
