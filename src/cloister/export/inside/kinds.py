"""What kind of file a run left, from its bytes."""

from __future__ import annotations

import zipfile
from enum import Enum
from pathlib import Path

from cloister.export.inside.failing import Refused


class Kind(str, Enum):  # noqa: UP042 - Python 3.9 has no StrEnum
    """What can be converted."""

    PICKLE = "pickle"
    TORCH = "torch"
    """A zip of torch.save: a pickle and storages."""
    OLD_TORCH = "old torch"
    """What torch.save wrote before it wrote zips."""
    TORCHSCRIPT = "torchscript"
    SAFETENSORS = "safetensors"
    LIGHTGBM = "lightgbm"
    XGBOOST = "xgboost"


# PyTorch's own magic number, as the first pickle of its older files.
_OLD_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"


def kind_of(path: Path) -> Kind:
    """The kind of the file at ``path``; raises Refused with the way out for all others."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:2] == b"PK":
        return _archive(path)
    length = int.from_bytes(head[:8], "little")
    if 2 <= length <= path.stat().st_size - 8 and head[8:9] == b"{":
        return Kind.SAFETENSORS
    if _OLD_TORCH in head[:32]:
        return Kind.OLD_TORCH
    if head[:5] == b"tree\n":
        return Kind.LIGHTGBM
    if head[:2] in {b"{L", b"{l", b"{i"} or (head[:1] == b"{" and b'"learner"' in head):
        return Kind.XGBOOST
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        raise Refused(
            "this is a Keras file, which may carry code and is not read",
            "convert it in your script with tf2onnx, and leave the ONNX file",
        )
    return Kind.PICKLE


def _archive(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise Refused("this archive is cut off or damaged") from error
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return Kind.TORCHSCRIPT
    if "data.pkl" in names:
        return Kind.TORCH
    raise Refused(
        "this archive holds no model that can be converted",
        "leave a state dict (torch.save), safetensors or a joblib file",
    )
