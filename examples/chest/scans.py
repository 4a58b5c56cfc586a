"""PET series and the contours of their tumours as arrays: what DICOM says, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIDE = 48
"""Pixels of a picture: the largest of the cropped ones has 46."""
FINER = 8
"""A contour is drawn so many times finer; a pixel belongs to what fills half of it."""


def patient(folder: Path) -> dict[str, Any]:
    """One patient's slices from feet to head: uptake (SUV), tumour, the size of a pixel."""
    import pydicom

    found = [pydicom.dcmread(file) for file in sorted(folder.glob("PET/image/*.dcm"))]
    slices = sorted(found, key=lambda one: float(one.ImagePositionPatient[2]))
    (contours,) = folder.glob("PET/mask/*.dcm")
    drawn = tumour(pydicom.dcmread(contours), slices)
    uptake = [
        one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept)
        for one in slices
    ]
    return {
        "uptake": np.stack([_padded(one) for one in uptake]).astype("float32"),
        "tumour": np.stack([_padded(one) for one in drawn]).astype("uint8"),
        "units": str(slices[0].Units),
        "pixel_mm": float(slices[0].PixelSpacing[0]),
    }


def tumour(contours: Any, slices: list[Any]) -> list[np.ndarray]:
    """The contour GTV_Mass, slice by slice: 1 inside."""
    names = {int(one.ROINumber): str(one.ROIName) for one in contours.StructureSetROISequence}
    heights = np.array([float(one.ImagePositionPatient[2]) for one in slices])
    masks = [np.zeros((one.Rows, one.Columns), dtype=bool) for one in slices]
    for region in contours.ROIContourSequence:
        if "GTV" in names[int(region.ReferencedROINumber)]:
            for contour in region.ContourSequence:
                points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
                at = int(np.abs(heights - points[0, 2]).argmin())
                masks[at] ^= _inside(points, slices[at])  # one within another is a hole
    return masks


def _inside(points: np.ndarray, picture: Any) -> np.ndarray:
    from PIL import Image, ImageDraw

    corner = np.array(picture.ImagePositionPatient[:2], dtype=float)
    spacing = np.array(picture.PixelSpacing[::-1], dtype=float)
    at = ((points[:, :2] - corner) / spacing + 0.5) * FINER
    fine = Image.new("1", (picture.Columns * FINER, picture.Rows * FINER))
    ImageDraw.Draw(fine).polygon([tuple(point) for point in at], fill=1)
    parts = np.asarray(fine).reshape(picture.Rows, FINER, picture.Columns, FINER)
    return parts.mean((1, 3)) >= 0.5


def _padded(picture: np.ndarray) -> np.ndarray:
    rows, columns = picture.shape
    assert max(rows, columns) <= SIDE, "a picture is larger than the network's"
    return np.pad(picture, ((0, SIDE - rows), (0, SIDE - columns)))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """How far two volumes are the same: 1 where they are, 0 where they share nothing."""
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean, and its 95 % interval: patients drawn with return."""
    drawn = np.random.default_rng(7).choice(values, (10_000, len(values)))
    low, high = np.quantile(drawn.mean(1), [0.025, 0.975])
    return float(np.mean(values)), float(low), float(high)
