"""Which models may be kept and served, and what they take and give."""

from cloister.models.formats import ModelFormat, recognise
from cloister.models.onnx import ModelSpec, TensorSpec, inspect

__all__ = ["ModelFormat", "ModelSpec", "TensorSpec", "inspect", "recognise"]
