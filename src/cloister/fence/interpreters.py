"""Where the program a job names lives, with all it needs to start: venv, prefix, packages.

Found by reading, never by running: the program belongs to the user, not to us.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cloister.fence import system

_SHEBANG_BYTES = 512
_MOST_HOPS = 8
_QUOTED_FOLDER = re.compile(r"""['"](/[^'"\n]+)['"]""")
_STORES = ("/nix/store", "/gnu/store")  # programs there need their neighbours


def interpreter_paths(argv0: str, path: str, workdir: Path | None = None) -> tuple[Path, ...]:
    """Folders to show to a job so that ``argv0``, looked up in ``path``, runs as on the host.

    Follows links and ``#!`` lines, a venv to its base, editable installs to their source.
    Empty for what the system's folders hold, and for what does not exist.
    """
    found: dict[Path, None] = {}
    program = _look_up(argv0, path, workdir or Path("/"))
    for _ in range(_MOST_HOPS):
        if program is None:
            break
        for folder in _homes(program):
            found.setdefault(folder)
        program = _shebang(program, path)
    return tuple(folder for folder in found if not _is_system(folder))


def _look_up(name: str, path: str, workdir: Path) -> Path | None:
    if "/" in name:
        candidates = [workdir / name]
    else:
        candidates = [Path(folder) / name for folder in path.split(os.pathsep) if folder]
    return next((c for c in candidates if os.access(c, os.X_OK) and c.is_file()), None)


def _shebang(program: Path, path: str) -> Path | None:
    """The program that a script's first line names; through ``env``, its argument."""
    try:
        with program.open("rb") as file:
            line = file.read(_SHEBANG_BYTES).partition(b"\n")[0]
    except OSError:
        return None
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return _look_up(words[0], path, Path("/")) if words else None


def _homes(program: Path) -> Iterator[Path]:
    """Of every step from the name to the file behind its links: the prefix around it."""
    at = program
    for _ in range(_MOST_HOPS):
        yield from _prefix(at)
        if not at.is_symlink():
            break
        at = at.parent / at.readlink()
    yield from _prefix(program.resolve())


def _prefix(program: Path) -> Iterator[Path]:
    """The tree a program belongs to, or its own folder where it stands alone."""
    store = next((s for s in _STORES if system.lies_in(str(program), s)), None)
    if store is not None:
        yield Path(store)
        return
    prefix = program.parent.parent
    if program.parent.name == "shims":  # pyenv and its kin: the real one is chosen later
        yield prefix
    elif (prefix / "pyvenv.cfg").is_file():
        yield prefix
        yield from _base(prefix / "pyvenv.cfg")
        yield from _packages(prefix)
    elif program.parent.name == "bin" and _is_prefix(prefix):
        yield prefix
        yield from _packages(prefix)
    else:
        yield program


def _is_prefix(folder: Path) -> bool:
    """Only a tree made for programs: never a home folder that happens to hold ``bin``."""
    if folder == Path("/"):  # /bin/sh: where /lib is a link, the root looks like one
        return False
    return any(folder.glob("lib/python3*")) or (folder / "conda-meta").is_dir()


def _base(config: Path) -> Iterator[Path]:
    for line in config.read_text(errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home":
            yield from _homes(Path(value.strip()) / "python3")


def _packages(prefix: Path) -> Iterator[Path]:
    """Folders that ``.pth`` files and editable finders of this prefix point to."""
    for pattern in ("*.pth", "__editable__*.py"):
        for file in sorted(prefix.glob(f"lib/python3*/site-packages/{pattern}")):
            text = file.read_text(errors="replace")
            lines = text.splitlines() if file.suffix == ".pth" else []
            named = lines + _QUOTED_FOLDER.findall(text)
            folders = [Path(n) for n in named if n.startswith("/") and Path(n).is_dir()]
            yield from (folder for folder in folders if folder != Path("/"))


def _is_system(folder: Path) -> bool:
    real = system.real(folder)
    return any(system.lies_in(real, system.real(other)) for other in system.FOLDERS)
