"""What the lab of these tests holds: pictures with labels, and a table with what learnt it."""

from __future__ import annotations

import csv
import random
import shutil
from pathlib import Path

from PIL import Image, ImageDraw

from tests.conftest import Shell

HERE = Path(__file__).resolve().parent


def fill(shell: Shell) -> None:
    """Everything but the team, through the command line as anybody would."""
    pictures(shell.folder / "slides")
    table(shell.folder / "stays")
    shutil.copy(HERE / "scripts/train.py", shell.folder)
    shell("init")
    where = ("--subject-pattern", "^(P[0-9]+)/", "--labels", "labels.csv", "--name", "slides")
    shell("add", "slides", *where)
    columns = ("--subject-column", "patient", "--label-column", "stay", "--name", "stays")
    shell("add", "stays", *columns)
    for rate in ("0.01", "0.002"):
        shell("run", "--", "python", "train.py", "--data", "./stays", "--rate", rate)


def pictures(
    folder: Path, patients: int = 8, each: int = 3, *, letter: str = "P", seed: int = 4
) -> None:
    """Blobs, round or long, `PNN/N.png` beside labels that say which; one is there twice."""
    chance = random.Random(seed)
    labels = [("file", "label")]
    for patient in range(patients):
        place = folder / f"{letter}{patient:02d}"
        place.mkdir(parents=True)
        for number in range(each):
            shape = "round" if patient % 2 else "long"
            picture = Image.new("L", (96, 96), chance.randint(10, 40))
            draw, size = ImageDraw.Draw(picture), chance.randint(20, 34)
            width = size if shape == "round" else size // 2
            draw.ellipse((48 - width, 48 - size, 48 + width, 48 + size), fill=200)
            for _ in range(300):
                spot = chance.randrange(96), chance.randrange(96)
                picture.putpixel(spot, chance.randint(0, 255))
            picture.save(place / f"{number}.png")
            labels.append((f"{letter}{patient:02d}/{number}.png", shape))
    shutil.copy(folder / f"{letter}00/0.png", folder / f"{letter}01/0.png")
    with (folder.parent / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(labels)


def table(folder: Path, patients: int = 60) -> None:
    """How long they stayed, by age and dose."""
    chance = random.Random(5)
    folder.mkdir()
    with (folder / "stays.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("patient", "age", "dose", "stay"))
        for patient in range(patients):
            age, dose = chance.randint(30, 90), chance.randint(1, 12)
            stay = round(age / 12 + dose / 3 + chance.random(), 2)
            rows.writerow((f"Q{patient:03d}", age, dose, stay))
