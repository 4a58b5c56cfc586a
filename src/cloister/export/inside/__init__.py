"""Reads a model that a run left and writes it as ONNX: runs in the fence, in the user's Python.

Nothing here imports the rest of Cloister, nor anything but the standard library at its top:
the interpreter is the one that made the model, and has what made it.
"""
