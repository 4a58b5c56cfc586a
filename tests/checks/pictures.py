"""Pictures and scans made here, hostile ones too."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless, generate_uid

from cloister.checks.looking.images import Pixels

SECONDARY_CAPTURE = UID("1.2.840.10008.5.1.4.1.1.7")


def photograph(seed: int, side: int = 96) -> Pixels:
    """Smooth colours, as a photograph has; another seed is another scene."""
    made = np.random.default_rng(seed)
    coarse = made.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def with_text(pixels: Pixels) -> Pixels:
    """Room for text in the brightest of colours: a reader will be asked."""
    made = pixels // 2
    made[10:20, 10:40] = 255
    return made


def encoded(pixels: Pixels, form: str = "PNG", **options: object) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def png(width: int, height: int, data: bytes) -> bytes:
    """A gray PNG whose header claims this size, its checksums right."""
    out = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b"")):
        out += struct.pack(">I", len(body)) + kind + body
        out += struct.pack(">I", zlib.crc32(kind + body))
    return out


def scan(pixels: Pixels, patient: str = "", **elements: object) -> Dataset:
    """A gray secondary capture of 16 bits."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = SECONDARY_CAPTURE
    made.SOPClassUID = SECONDARY_CAPTURE
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.PatientID, made.Modality = patient, "OT"
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelData = np.asarray(pixels, dtype="<u2").tobytes()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def saved(made: Dataset) -> bytes:
    """The scan as a file."""
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def undecodable(made: Dataset) -> bytes:
    """The same scan, its pixels compressed so that they cannot be expanded."""
    made.file_meta.TransferSyntaxUID = RLELossless
    made.PixelData = encapsulate([b"\xff" * 70])
    made["PixelData"].is_undefined_length = True
    return saved(made)
