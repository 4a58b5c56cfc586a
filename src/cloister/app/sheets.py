"""Recovery shares as pages in a folder, away from the lab and its keys."""

from __future__ import annotations

from pathlib import Path

from cloister.app.config import Config
from cloister.core.errors import BadInput, Conflict
from cloister.core.files import translated, write_new
from cloister.keys.sheets import ShareKit


def check_place(config: Config, folder: Path) -> None:
    """Returns if the pages can be written there; raises BadInput, Conflict."""
    check_apart(folder, *config.private)


def check_apart(place: Path, *others: Path) -> None:
    """Raises BadInput where a recovery kit would lie with the keys or the lab."""
    if not place.parent.is_dir():
        raise BadInput("the folder for the recovery kit does not exist")
    if place.exists() or place.is_symlink():
        raise Conflict("the file or folder for the recovery kit exists already")
    if any(place.resolve().is_relative_to(other.resolve()) for other in others):
        raise BadInput("the recovery kit is to be kept away from the lab and its keys")


def save_sheets(kit: ShareKit, folder: Path) -> None:
    """One page a sheet, in a new folder that only this user can enter."""
    with translated():
        folder.mkdir(mode=0o700)
    for number in range(1, kit.shares.count + 1):
        name = f"share-{number}-of-{kit.shares.count}.html"
        write_new(folder / name, [kit.page(number).encode()])
