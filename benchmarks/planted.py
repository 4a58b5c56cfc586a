"""Copies of real data with defects planted in known places, by a seed the checks never see.

A *plant* names where each kind of finding must be: for files by path, for rows by patient,
for findings about a whole dataset by the kind alone.
"""

from __future__ import annotations

import csv
import io
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageEnhance
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless, generate_uid

HERE = Path(__file__).resolve().parent
ALL = "*"
"""Stands for a finding about the dataset as a whole."""


@dataclass
class Plant:
    """A folder, how to add it, and what is wrong in it."""

    folder: Path
    add: list[str]
    truth: dict[str, set[str]] = field(default_factory=dict)
    by_patient: bool = False

    def expect(self, code: str, *names: str) -> None:
        """These are defects of this kind."""
        self.truth.setdefault(code, set()).update(names)


def study(folder: Path, seed: int, *, clean: bool) -> Plant:
    """The diabetes table: 442 patients, a row each; with a ward, a note, a split, a class."""
    sys.path.insert(0, str(HERE.parent / "examples/diabetes"))
    import data  # type: ignore[import-not-found]

    made = random.Random(seed)
    rows = list(csv.DictReader(data.write(folder / "made").open()))
    shutil.rmtree(folder / "made")
    for n, row in enumerate(rows):
        row["patient_id"] = f"KX{10_000 + n}"
        row["sex"] = "F" if row["sex"] == "1" else "M"
        row["ward"] = made.choice(("north", "south", "east"))
        row["note"] = made.choice(("seen twice", "no remarks", "to be seen again"))
        row["split"] = "train" if made.random() < 0.8 else "test"
        row["outcome"] = "worse" if float(row["progression"]) > 140 else "stable"
    plant = Plant(
        folder / "study",
        ["--subject-column", "patient_id", "--label-column", "outcome"],
        by_patient=True,
    )
    if not clean:
        _spoil_rows(plant, rows, made)
    plant.folder.mkdir(parents=True)
    with (plant.folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return plant


def _spoil_rows(plant: Plant, rows: list[dict[str, str]], made: random.Random) -> None:
    count = len(rows)
    free = list(range(count))
    made.shuffle(free)

    def take(number: int) -> list[int]:
        taken, free[:] = free[:number], free[number:]
        return taken

    def patients(places: Sequence[int]) -> list[str]:
        return [rows[place]["patient_id"] for place in places]

    words = take(8)
    for place in words:
        rows[place]["bmi"] = made.choice(("n.d.", "high", "see note", "27,1,3"))
    plant.expect("D501", *patients(words))
    wild = take(10)
    for place in wild:
        column, value = made.choice(
            (("age", "210"), ("age", "-1"), ("blood_pressure", "999"), ("ldl", "-99"),
             ("bmi", "263"), ("glucose", "9999"), ("total_cholesterol", "0"))
        )  # fmt: skip
        rows[place][column] = value
    plant.expect("D502", *patients(wild))
    units = take(40)
    for place in units:
        rows[place]["hdl"] = f"{float(rows[place]['hdl']) / 38.67:.2f}"
    plant.expect("D503", *patients(units))
    lost = [p for p in take(170) if rows[p]["ward"] == "south"]
    for place in lost:
        rows[place]["log_triglycerides"] = made.choice(("", "NA"))
    plant.expect("D601", *patients(lost))
    own, other = take(6), take(6)
    for place in own:
        rows[place]["note"] = f"file of {rows[place]['patient_id']} is complete"
    plant.expect("D702", *patients(own))
    for place in other:
        rows[place]["note"] = f"mother of {made.choice(rows)['patient_id'].lower()}"
    plant.expect("D701", *patients(other))
    bare = take(9)
    for place in bare:
        rows[place]["outcome"] = ""
    plant.expect("D403", *patients(bare))
    slips = take(5)
    for place in slips:
        rows[place]["outcome"] = made.choice(("Worse", "stabel", "stable.", "wors", "stble"))
    plant.expect("D405", *patients(slips))
    _repeat_rows(plant, rows, made, take)


def _repeat_rows(
    plant: Plant,
    rows: list[dict[str, str]],
    made: random.Random,
    take: Callable[[int], list[int]],
) -> None:
    """Rows under another patient, twice under their own, with another label, in two parts."""
    twins, doubles, torn, parts = take(8), take(8), take(5), take(6)
    for place in twins:
        name = f"KX{30_000 + place}"
        rows.append({**rows[place], "patient_id": name})
        plant.expect("D205", name, rows[place]["patient_id"])
    for place in doubles:
        rows.append(dict(rows[place]))
        plant.expect("D206", rows[place]["patient_id"])
    for place in torn:
        name = f"KX{40_000 + place}"
        changed = "stable" if rows[place]["outcome"] == "worse" else "worse"
        rows.append({**rows[place], "patient_id": name, "outcome": changed})
        plant.expect("D402", name, rows[place]["patient_id"])
    for place in parts:
        row = {**rows[place], "age": str(float(rows[place]["age"]) + 1)}
        row["split"] = "test" if rows[place]["split"] == "train" else "train"
        rows.append(row)
        plant.expect("D301", rows[place]["patient_id"])
    made.shuffle(rows)


def groups(folder: Path, seed: int, *, clean: bool) -> Plant:
    """The same table; planted are facts about the dataset as a whole."""
    plant = study(folder, seed, clean=True)
    made = random.Random(seed + 1)
    path = plant.folder / "table.csv"
    rows = list(csv.DictReader(path.open()))
    for row in rows:
        worse = row["outcome"] == "worse"
        row["scanner"] = made.choice(("A1", "B2", "C3"))
        if not clean:
            # The sicker were measured on one machine, four times out of five.
            row["scanner"] = "A1" if (made.random() < 0.8) == worse else "B2"
            row["sex"] = "F" if (made.random() < 0.75) == worse else "M"
            row["ward"] = "west" if made.random() < 0.02 else row["ward"]
            row["race"] = "one" if made.random() < 0.03 else "other"
            if made.random() < 0.05 and not worse:
                row["outcome"] = "died"
            row["ldl"] = "" if made.random() < 0.7 else row["ldl"]
    for code in ("D801", "D901", "D902", "D903", "D602"):
        if not clean:
            plant.expect(code, ALL)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return plant


def cells(folder: Path, source: Path, seed: int, *, clean: bool) -> Plant:
    """Photographs of blood cells, one a patient, with a label each, dealt into two folders."""
    made = random.Random(seed)
    paths = sorted((source / "bccd/BCCD/JPEGImages").glob("*.jpg"))
    # 00037 and 00038 are one field of view, focused twice: a near duplicate of their own.
    paths = [path for path in paths if path.stem != "BloodImage_00038"]
    made.shuffle(paths)
    plant = Plant(folder / "cells", ["--subject-pattern", r"(KX\d+)", "--labels"])
    pictures: dict[str, bytes] = {}
    for n, path in enumerate(paths[:240]):
        part = "train" if n % 5 else "test"
        pictures[f"{part}/KX{20_000 + n}/{made.randrange(10**9):09}.jpg"] = path.read_bytes()
    labels = {name: made.choice(("sickle", "normal")) for name in pictures}
    lines: list[tuple[str, str]] = []
    if not clean:
        _spoil_pictures(plant, pictures, labels, made)
        lines = _spoil_labels(plant, labels, made)
    for name, content in pictures.items():
        (plant.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (plant.folder / name).write_bytes(content)
    table = folder / "labels.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "finding"), *labels.items(), *lines])
    plant.add.append(str(table))
    return plant


def named(folder: Path, source: Path, seed: int, *, clean: bool) -> Plant:
    """Photographs whose names begin with the station that took them; it may tell the label."""
    made = random.Random(seed)
    paths = sorted((source / "bccd/BCCD/JPEGImages").glob("*.jpg"))
    plant = Plant(folder / "named", ["--subject-pattern", r"(KX\d+)", "--labels"])
    plant.folder.mkdir(parents=True)
    labels = []
    for n, path in enumerate(made.sample(paths, 120)):
        label = made.choice(("sickle", "normal"))
        told = "east" if (made.random() < 0.8) == (label == "sickle") else "west"
        station = made.choice(("east", "west")) if clean else told
        name = f"{station}_KX{50_000 + n}.jpg"
        shutil.copy(path, plant.folder / name)
        labels.append((name, label))
    if not clean:
        plant.expect("D802", ALL)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "finding"), *labels])
    plant.add.append(str(folder / "labels.csv"))
    return plant


def written(folder: Path, source: Path, seed: int, *, clean: bool) -> Plant:
    """Photographs and slices, some with a name burned in; few, for reading takes its time."""
    made = random.Random(seed)
    plant = Plant(folder / "written", ["--subject-pattern", r"(KX\d+)"])
    plant.folder.mkdir(parents=True)
    photographs = sorted((source / "bccd/BCCD/JPEGImages").glob("*.jpg"))
    slices = sorted((source / "sts/dicom").rglob("*CT*/**/*.dcm")) or sorted(
        (source / "sts/dicom").rglob("*.dcm")
    )
    for n, path in enumerate([*made.sample(photographs, 24), *made.sample(slices, 24)]):
        name = f"KX{60_000 + n}{path.suffix}"
        spoil = not clean and made.random() < 0.5
        text = f"{made.choice(('DOE', 'MUSTER', 'ROSSI'))} {made.randrange(10**6):06}"
        if path.suffix == ".jpg":
            content = path.read_bytes()
            (plant.folder / name).write_bytes(_written_on(content, text) if spoil else content)
        else:
            scan = _without_ids(pydicom.dcmread(path))
            if "PixelData" not in scan:
                continue
            if spoil:
                _write_on_slice(scan, text)
            scan.save_as(plant.folder / name)
        if spoil:
            plant.expect("D704", name)
    return plant


def _write_on_slice(scan: pydicom.Dataset, text: str) -> None:
    pixels = scan.pixel_array.copy()
    side = Image.new("L", (pixels.shape[1], pixels.shape[0]))
    ImageDraw.Draw(side).text((4, 4), text, fill=255, font_size=18)
    pixels[np.asarray(side) > 127] = pixels.max()
    scan.PixelData = pixels.tobytes()


def _spoil_pictures(
    plant: Plant, pictures: dict[str, bytes], labels: dict[str, str], made: random.Random
) -> None:
    free = list(pictures)
    made.shuffle(free)

    def take(number: int) -> list[str]:
        taken, free[:] = free[:number], free[number:]
        return taken

    def beside(name: str, part: str | None = None) -> str:
        """A new name: another patient's, in the same part unless one is given."""
        number = made.randrange(10**9)
        folder = part or name.partition("/")[0]
        return f"{folder}/KX{90_000 + len(pictures)}/{number:09}.jpg"

    def copied(name: str, new: str, content: bytes) -> None:
        pictures[new], labels[new] = content, labels[name]

    for name in take(6):
        pictures[name] = pictures[name][: made.randrange(700, 4000)]
        plant.expect("D101", name)
        del labels[name]
    for name in take(5):
        pictures[name] = _jpeg(Image.new("RGB", (640, 480), (made.randrange(256),) * 3))
        plant.expect("D103", name)
    for name in take(8):
        new = beside(name)
        copied(name, new, pictures[name])
        plant.expect("D202", name, new)
    for name in take(4):
        new = beside(name)
        copied(name, new, pictures[name])
        labels[new] = "normal" if labels[name] == "sickle" else "sickle"
        plant.expect("D202", name, new)
        plant.expect("D402", name, new)
    for name in take(5):
        new = beside(name, "test" if name.startswith("train") else "train")
        copied(name, new, pictures[name])
        plant.expect("D202", name, new)
        plant.expect("D303", name, new)
    for change in (_recompressed, _smaller, _brighter, _cut):
        for name in take(5):
            new = beside(name)
            copied(name, new, change(pictures[name], made))
            plant.expect("D204", name, new)
    for name in take(4):
        new = f"{name.rpartition('/')[0]}/{made.randrange(10**9):09}.jpg"
        copied(name, new, _recompressed(pictures[name], made))
        plant.expect("D203", name, new)
    for name in take(5):
        *_, patient, _ = name.split("/")
        part = "test" if name.startswith("train") else "train"
        new = f"{part}/{patient}/{made.randrange(10**9):09}.jpg"
        copied(name, new, _rotated(pictures[name]))
        plant.expect("D301", name, new)
    for name in take(5):
        pictures[name] = _commented(pictures[name], f"exported for {name.split('/')[1]}")
        plant.expect("D702", name)


def _spoil_labels(
    plant: Plant, labels: dict[str, str], made: random.Random
) -> list[tuple[str, str]]:
    """Takes some away, contradicts some, misspells some; gives the further lines."""
    planted = {name for names in plant.truth.values() for name in names}
    free = [name for name in labels if name not in planted]
    made.shuffle(free)
    for name in free[:9]:
        del labels[name]
        plant.expect("D403", name)
    more = []
    for name in free[9:16]:
        more.append((name, "normal" if labels[name] == "sickle" else "sickle"))
        plant.expect("D401", name)
    for name in free[16:21]:
        labels[name] = made.choice(("Sickle", "norma", "sickle.", "nornal"))
        plant.expect("D405", name)
    plant.expect("D404", ALL)
    return more + [(f"train/none/{n}.jpg", "normal") for n in range(4)]


def _jpeg(image: Image.Image, quality: int = 90, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, **options)
    return out.getvalue()


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _recompressed(content: bytes, made: random.Random) -> bytes:
    return _jpeg(_opened(content), made.randrange(20, 60))


def _smaller(content: bytes, made: random.Random) -> bytes:
    side = made.randrange(200, 500)
    return _jpeg(_opened(content).resize((side, side * 3 // 4)))


def _brighter(content: bytes, made: random.Random) -> bytes:
    return _jpeg(ImageEnhance.Brightness(_opened(content)).enhance(made.uniform(0.8, 1.15)))


def _cut(content: bytes, made: random.Random) -> bytes:
    """Up to one hundredth off each side."""
    image = _opened(content)
    left, top = made.randrange(1, 7), made.randrange(1, 5)
    return _jpeg(image.crop((left, top, image.width - 2, image.height - 2)))


def _rotated(content: bytes) -> bytes:
    """Another picture as far as anybody can tell."""
    return _jpeg(_opened(content).transpose(Image.Transpose.ROTATE_180))


def _written_on(content: bytes, text: str) -> bytes:
    image = _opened(content)
    ImageDraw.Draw(image).text((12, 12), text, fill=(255, 255, 255), font_size=26,
                               stroke_width=3, stroke_fill=(0, 0, 0))  # fmt: skip
    return _jpeg(image)


def _commented(content: bytes, text: str) -> bytes:
    size = len(text) + 2
    return content[:2] + b"\xff\xfe" + size.to_bytes(2, "big") + text.encode() + content[2:]


def scans(folder: Path, source: Path, seed: int, *, clean: bool) -> Plant:
    """CT, PET and MR of six patients, forty slices each, their headers free of ids."""
    made = random.Random(seed)
    plant = Plant(folder / "scans", [])
    found: dict[str, pydicom.Dataset] = {}
    per_patient: dict[str, list[Path]] = {}
    for path in sorted((source / "sts/dicom").rglob("*.dcm")):
        per_patient.setdefault(path.relative_to(source / "sts/dicom").parts[0], []).append(path)
    for paths in per_patient.values():
        made.shuffle(paths)
        for path in paths[:60]:
            scan = pydicom.dcmread(path)
            if "PixelData" in scan and scan.pixel_array.max() > scan.pixel_array.min():
                found[f"{generate_uid()[-12:]}.dcm"] = _without_ids(scan)
    if not clean:
        _spoil_scans(plant, found, made)
    plant.folder.mkdir(parents=True)
    for name, scan in found.items():
        scan.save_as(plant.folder / name)
        if name in plant.truth.get("D101", ()):
            content = (plant.folder / name).read_bytes()
            (plant.folder / name).write_bytes(content[: len(content) * 2 // 3])
    return plant


def _without_ids(scan: pydicom.Dataset) -> pydicom.Dataset:
    """These files bear their patient's id in every description: a finding by itself."""
    for name in ("StudyDescription", "SeriesDescription", "StudyID"):
        if name in scan:
            setattr(scan, name, "study")
    return scan


def _spoil_scans(plant: Plant, found: dict[str, pydicom.Dataset], made: random.Random) -> None:
    free = [name for name, scan in found.items() if scan.Modality != "PT"]
    made.shuffle(free)
    patients = sorted({str(scan.PatientID) for scan in found.values()})

    def take(number: int) -> list[str]:
        taken, free[:] = free[:number], free[number:]
        return taken

    def another(scan: pydicom.Dataset) -> str:
        return made.choice([name for name in patients if name != scan.PatientID])

    def copied(name: str, patient: str | None = None) -> str:
        scan = pydicom.dcmread(_bytes(found[name]))
        scan.SOPInstanceUID = scan.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        if patient:
            scan.PatientID = scan.PatientName = patient
            scan.SeriesInstanceUID, scan.StudyInstanceUID = generate_uid(), generate_uid()
        new = f"{generate_uid()[-12:]}.dcm"
        found[new] = scan
        return new

    for name in take(5):
        plant.expect("D101", name)
    for name in take(5):
        scan = found[name]
        scan.file_meta.TransferSyntaxUID = RLELossless
        scan.PixelData = encapsulate([made.randbytes(200)])
        scan["PixelData"].is_undefined_length = True
        plant.expect("D102", name)
    for name in take(5):
        scan = found[name]
        scan.PixelData = bytes(len(scan.PixelData))
        plant.expect("D103", name)
    for name in take(4):
        scan = found[name]
        scan.Rows, scan.PixelData = scan.Rows // 2, scan.PixelData[: len(scan.PixelData) // 2]
        plant.expect("D104", name)
    for name in take(4):
        scan = found[name]
        scan.BitsStored, scan.HighBit = 8, 7
        plant.expect("D105", name)
        plant.expect("D104", name)
    for name in take(6):
        plant.expect("D201", name, copied(name))
    for name in take(6):
        plant.expect("D202", name, copied(name, another(found[name])))
    for name in take(6):
        new = copied(name, another(found[name]))
        scan = found[new]
        pixels = scan.pixel_array.astype(np.int32)
        noise = np.random.default_rng(made.randrange(10**6)).normal(0, 3, pixels.shape)
        changed = np.clip(pixels + noise.astype(np.int32), -32768, 32767)
        scan.PixelData = changed.astype(scan.pixel_array.dtype).tobytes()
        plant.expect("D204", name, new)
    _spoil_headers(plant, found, made, take)


def _spoil_headers(
    plant: Plant,
    found: dict[str, pydicom.Dataset],
    made: random.Random,
    take: Callable[[int], list[str]],
) -> None:
    patients = sorted({str(scan.PatientID) for scan in found.values()})
    for name in take(8):
        scan = found[name]
        scan.ImageComments = f"exported from {scan.PatientID}, checked"
        plant.expect("D702", name)
    for name in take(6):
        scan = found[name]
        scan.ProtocolName = made.choice([p for p in patients if p != scan.PatientID]).lower()
        plant.expect("D701", name)
    for name in take(4):
        found[name].BurnedInAnnotation = "YES"
        plant.expect("D705", name)


def _bytes(scan: pydicom.Dataset) -> io.BytesIO:
    out = io.BytesIO()
    scan.save_as(out)
    out.seek(0)
    return out
