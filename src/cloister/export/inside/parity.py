"""How far the converted model is from the original, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloister.export.inside.failing import Refused, missing


@dataclass
class Converted:
    """An ONNX model and what the original says of the rows."""

    onnx: Any
    """The ModelProto."""
    feeds: dict[str, Any]
    expected: list[Any]
    """What the original gives, one array for each output of the converted model."""
    held_out: bool
    """The rows are the user's, and were not made up."""
    kind: str
    converter: str


def measure(content: bytes, converted: Converted) -> dict[str, Any]:
    """The comparison: numbers as text, for what is signed holds no fractions."""
    given = _run(content, converted.feeds)
    if len(given) != len(converted.expected):
        raise Refused("the converted model gives another number of outputs than the original")
    import numpy as np

    worst_abs = worst_rel = 0.0
    compared = agreed = rows = 0
    for ours, theirs in zip(given, converted.expected):  # noqa: B905 - Python 3.9 reads this
        left, right = np.asarray(ours), np.asarray(theirs)
        rows = max(rows, len(right))
        if left.dtype.kind in "OUS" or right.dtype.kind in "OUSbiu":
            left, right = left.reshape(-1), right.reshape(-1)
            if "OUS".count(left.dtype.kind) or "OUS".count(right.dtype.kind):
                left, right = left.astype(str), right.astype(str)
            _same_shape(left, right)
            compared, agreed = compared + len(right), agreed + int((left == right).sum())
            continue
        if left.shape == (len(right), 2) and right.ndim == 1:
            left = left[:, 1]  # a score of two classes: the original gives that of the second
        absolute, relative = _difference(left, right)
        worst_abs, worst_rel = max(worst_abs, absolute), max(worst_rel, relative)
        if right.ndim == 2 and right.shape[1] > 1 and not compared:
            left = left.reshape(right.shape)
            same = left.argmax(1) == right.argmax(1)
            compared, agreed = compared + len(right), agreed + int(same.sum())
    return {
        "agreed": agreed,
        "compared": compared,
        "max_abs": f"{worst_abs:.3e}",
        "max_rel": f"{worst_rel:.3e}",
        "rows": rows,
    }


def _difference(left: Any, right: Any) -> tuple[float, float]:
    """Largest absolute difference, and largest relative to the greater of 1 and the value."""
    import numpy as np

    left = left.astype(np.float64).reshape(-1)
    right = right.astype(np.float64).reshape(-1)
    _same_shape(left, right)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    gap = np.where(same, 0.0, np.abs(left - right))
    gap = np.where(np.isnan(gap), np.inf, gap)
    scale = np.maximum(1.0, np.nan_to_num(np.abs(right), nan=1.0, posinf=1.0))
    return float(gap.max(initial=0.0)), float((gap / scale).max(initial=0.0))


def _same_shape(left: Any, right: Any) -> None:
    if left.shape != right.shape:
        raise Refused("the converted model gives outputs of another shape than the original")


def _run(content: bytes, feeds: dict[str, Any]) -> list[Any]:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise missing("onnxruntime", "the comparison of original and converted") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    answers: list[Any] = session.run(None, feeds)
    return answers
