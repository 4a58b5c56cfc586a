"""Copies every DICOM file that the pydicom package carries: good, odd, truncated and broken.

They are the files pydicom itself is tested with: deflated and big-endian ones, compressed
pixels, files without a preamble, directories of several patients, files cut in the middle,
and text in eleven character sets. A reader that accounts for all of them has met most of
what a hospital's archive sends. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pydicom

MAGIC_AT = 128


def is_dicom(path: Path) -> bool:
    """By its name, or by the four letters after the preamble."""
    with path.open("rb") as file:
        return path.suffix == ".dcm" or file.read(MAGIC_AT + 4)[MAGIC_AT:] == b"DICM"


def copy(folder: Path) -> int:
    """Copies them to ``dicom`` below ``folder``, in the folders they lie in."""
    source = Path(pydicom.__file__).parent / "data"
    found = [path for path in sorted(source.rglob("*")) if path.is_file() and is_dicom(path)]
    for path in found:
        target = folder / "dicom" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return len(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    options = parser.parse_args()
    print(f"copied {copy(options.folder)} DICOM files to {options.folder / 'dicom'}")
