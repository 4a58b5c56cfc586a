"""Two hundred people who do not exist, spread over everything that patient data can be."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

COUNT = 200


@dataclass
class Canaries:
    """Words found nowhere else; each is used once or more, and counted as used."""

    words: list[str]
    _next: int = field(default=0)

    @classmethod
    def new(cls) -> Canaries:
        """Half of them names, half of them ids; they differ in their first eight letters."""
        source = random.SystemRandom()
        words: set[str] = set()
        while len(words) < COUNT // 2:
            words.add("".join(source.choices(string.ascii_lowercase, k=11)).capitalize())
        while len(words) < COUNT:
            letters = "".join(source.choices(string.ascii_uppercase, k=3))
            words.add(letters + "".join(source.choices(string.digits, k=9)))
        return cls(sorted(words))

    def take(self) -> str:
        """One that was not used yet; then the first ones again."""
        self._next += 1
        return self.words[(self._next - 1) % len(self.words)]

    @property
    def all_used(self) -> bool:
        return self._next >= len(self.words)


def write_files(folder: Path, canaries: Canaries, patients: int, each: int) -> None:
    """Names of folders and of files, and what is in them."""
    for _ in range(patients):
        place = folder / canaries.take()
        place.mkdir(parents=True)
        for _ in range(each):
            path = place / f"{canaries.take()} {canaries.take()}.txt"
            path.write_text(f"Dear {canaries.take()},\n" * 5)


def write_table(path: Path, canaries: Canaries, rows: int) -> None:
    """A table of people: the subject's column, names, notes with line breaks, one outcome."""
    lines = ["patient,name,note,outcome"]
    for _ in range(rows):
        name = f'"{canaries.take()}, {canaries.take()}"'
        note = f'"seen by {canaries.take()}\nagain ""{canaries.take()}"""'
        lines.append(f"{canaries.take()},{name},{note},{canaries.take()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join(lines) + "\r\n")


def write_labels(path: Path, folder: Path, canaries: Canaries) -> None:
    """A diagnosis for every file, one of a file that is not there, one that is no line."""
    files = sorted(one.relative_to(folder) for one in folder.rglob("*") if one.is_file())
    lines = ["path,diagnosis", *(f'"{one}",{canaries.take()}' for one in files)]
    lines += [f"{canaries.take()}/{canaries.take()},{canaries.take()}", canaries.take()]
    path.write_text("\n".join(lines) + "\n")


def write_dicom(path: Path, canaries: Canaries) -> None:
    """An image whose header names people everywhere a header can."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.SOPClassUID = SecondaryCaptureImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID
    image.PatientName = f"{canaries.take()}^{canaries.take()}"
    image.PatientID = canaries.take()
    image.IssuerOfPatientID = canaries.take()
    image.OtherPatientNames = canaries.take()
    image.PatientComments = f"sister of {canaries.take()}"
    image.ImageComments = canaries.take()
    image.AccessionNumber = canaries.take()
    image.StudyDescription = canaries.take()
    image.InstitutionName = canaries.take()
    image.ReferringPhysicianName = canaries.take()
    image.Modality = "OT"
    image.Rows = image.Columns = 8
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    image.PixelData = bytes(64)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
