"""PyTorch: weights with the user's own module, a whole module, TorchScript."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from cloister.export.inside.allowed import Allowed, load_module
from cloister.export.inside.failing import Refused, missing
from cloister.export.inside.job import SEED, Job
from cloister.export.inside.kinds import Kind
from cloister.export.inside.parity import Converted
from cloister.export.inside.rows import Columns, read_rows
from cloister.export.inside.walk import walk

_MADE_UP_ROWS = 32
_NESTED = ("state_dict", "model_state_dict", "model", "net", "weights")
_LARGEST_PICKLE = 256 << 20


def from_torch(kind: Kind, job: Job, allowed: Allowed) -> Converted:
    """The model in ``job.original``; raises Refused."""
    try:
        import torch
    except ImportError as error:
        raise missing("torch", "a PyTorch file") from error
    torch.manual_seed(SEED)
    if kind is Kind.TORCHSCRIPT:
        model, what = torch.jit.load(str(job.original), map_location="cpu"), "TorchScript"
    else:
        model, what = _module(kind, job, allowed)
    if not isinstance(model, torch.nn.Module):
        raise Refused(f"--module made a {type(model).__name__}, which is no torch.nn.Module")
    model = model.float().eval()
    feeds = _feeds(model, job)
    with torch.no_grad():
        expected = [part.numpy() for part in _flat(model(*feeds.values()))]
    if not expected:
        raise Refused("the model gives no tensor for these rows")
    onnx = _script(model, feeds) if kind is Kind.TORCHSCRIPT else _traced(model, feeds)
    inputs = [value.name for value in onnx.graph.input]
    return Converted(
        onnx,
        {name: part.numpy() for name, part in zip(inputs, feeds.values())},  # noqa: B905
        expected,
        job.rows is not None,
        what,
        f"{what} by torch.onnx {torch.__version__}",
    )


def _module(kind: Kind, job: Job, allowed: Allowed) -> tuple[Any, str]:
    """The module with its weights, and what the file was."""
    import torch

    if kind is Kind.SAFETENSORS:
        try:
            from safetensors.torch import load_file
        except ImportError as error:
            raise missing("safetensors", "a safetensors file") from error
        if job.module is None and (job.original.parent / "config.json").is_file():
            return _pretrained(job.original), "transformers"
        return _filled(load_file(str(job.original)), job), "safetensors"
    names = _walk_all(kind, job.original, allowed)
    classes = [allowed.find(*name) for name in sorted(names)]
    known = [found for found in classes if isinstance(found, type)]
    with torch.serialization.safe_globals(known):
        found = torch.load(str(job.original), map_location="cpu", weights_only=True)
    if isinstance(found, torch.nn.Module):
        return found, "PyTorch module"
    return _filled(found, job), "state dict"


def _walk_all(kind: Kind, path: Path, allowed: Allowed) -> set[tuple[str, str]]:
    """Every global that any pickle of the file names, each on the list."""
    names: set[tuple[str, str]] = set()
    if kind is Kind.OLD_TORCH:
        with path.open("rb") as stream:  # magic number, version, machine, object, storages
            for _ in range(5):
                names |= walk(stream, allowed, persistent=True).names
        return names
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if part.filename.endswith((".pkl", ".pickle")):
                if part.file_size > _LARGEST_PICKLE:
                    raise Refused("the archive holds a pickle larger than any model's")
                content = io.BytesIO(archive.read(part))
                names |= walk(content, allowed, persistent=True).names
    return names


def _filled(found: Any, job: Job) -> Any:
    """The user's module with the weights that were found."""
    import torch

    if job.module is None:
        raise Refused(
            "the file holds weights without the module that computes with them",
            "name it: --module train.py:Net, a class or function that needs no arguments",
        )
    weights = _weights(found)
    maker = getattr(load_module(job.module), job.maker, None)
    if not callable(maker):
        raise Refused(f"{job.module.name} defines no {job.maker}")
    try:
        model = maker()
    except TypeError as error:
        raise Refused(
            f"{job.maker} cannot be made without arguments",
            "add a function without arguments that makes it, and name that",
        ) from error
    if not isinstance(model, torch.nn.Module):
        return model
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise Refused(
            f"the weights do not fit {job.maker}: its layers have other names or shapes",
            "name the module that was trained, with the same settings",
        ) from error
    return model


def _weights(found: Any) -> Any:
    import torch

    for name in ("", *_NESTED):
        inner = found.get(name) if name and isinstance(found, dict) else found
        if isinstance(inner, dict) and inner:
            values = inner.values()
            if all(isinstance(value, torch.Tensor) for value in values):
                return {key.removeprefix("module."): value for key, value in inner.items()}
    raise Refused(
        "the file holds no state dict", "leave one: torch.save(model.state_dict(), path)"
    )


def _pretrained(path: Path) -> Any:
    """What ``save_pretrained`` left: the class its configuration names, and no other code."""
    try:
        import transformers
    except ImportError as error:
        raise missing("transformers", "a model of that library") from error
    names = json.loads((path.parent / "config.json").read_text()).get("architectures") or [""]
    maker: Any = getattr(transformers, str(names[0]), None)
    if not isinstance(maker, type) or not issubclass(maker, transformers.PreTrainedModel):
        raise Refused("config.json names no model of the transformers library")
    kind: Any = maker
    model = kind.from_pretrained(str(path.parent), local_files_only=True, use_safetensors=True)
    model.config.return_dict = False
    return model


def _feeds(model: Any, job: Job) -> dict[str, Any]:
    """Tensors by input: the user's rows, or made-up ones of the shapes that were said."""
    import torch

    if job.rows is not None:
        rows = read_rows(job.rows)
        if isinstance(rows, Columns):
            rows = rows.values
        parts = rows if isinstance(rows, dict) else {"x": rows}
        tensors = {name: torch.from_numpy(part.copy()) for name, part in parts.items()}
        return {
            name: part.float() if part.is_floating_point() else part
            for name, part in tensors.items()
        }
    shapes = job.inputs or _guessed(model)
    return {
        name: _made_up(kind, shape)
        for name, kind, shape in (_parsed(text, at) for at, text in enumerate(shapes))
    }


def _guessed(model: Any) -> tuple[str, ...]:
    """From the first layer, where it says all: a linear one takes so many numbers."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            return (str(layer.in_features),)
        if next(layer.children(), None) is None and next(layer.parameters(), None) is not None:
            break
    raise Refused(
        "the file does not say what one row looks like",
        "say so: --input 3,64,64 (or --input ids:int64:128); or give rows with --rows",
    )


def _parsed(text: str, at: int) -> tuple[str, str, tuple[int, ...]]:
    parts = text.split(":")
    name = parts[0] if len(parts) == 3 else f"x{at or ''}"
    kind = parts[-2] if len(parts) > 1 else "float32"
    try:
        shape = tuple(int(size) for size in parts[-1].split(",") if size)
    except ValueError as error:
        raise Refused(f"--input {text}: expected [NAME:][TYPE:]SIZE,SIZE,...") from error
    if kind not in {"float32", "int64", "bool"}:
        raise Refused(f"--input {text}: the type is float32, int64 or bool")
    return name, kind, shape


def _made_up(kind: str, shape: tuple[int, ...]) -> Any:
    import torch

    whole = (_MADE_UP_ROWS, *shape)
    if kind == "int64":  # token numbers: 0 and 1 exist in every vocabulary
        return torch.randint(0, 2, whole)
    if kind == "bool":
        return torch.ones(whole, dtype=torch.bool)
    return torch.randn(whole)


def _flat(given: Any) -> list[Any]:
    import torch

    if isinstance(given, torch.Tensor):
        return [given.detach()]
    parts = given.values() if isinstance(given, dict) else given
    if isinstance(parts, (str, bytes)) or not hasattr(parts, "__iter__"):
        return []
    return [one for part in parts for one in _flat(part)]


def _traced(model: Any, feeds: dict[str, Any]) -> Any:
    import torch

    _needs("onnxscript", "torch.onnx")
    free = {0: torch.export.Dim.DYNAMIC}
    try:
        program = torch.onnx.export(
            model,
            tuple(feeds.values()),
            dynamo=True,
            dynamic_shapes=tuple(free for _ in feeds),
            input_names=list(feeds),
            external_data=False,
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise Refused(
            "torch.onnx cannot export this module: its words are in the log",
            "see what it says of data-dependent control flow; or leave the ONNX file yourself",
        ) from error
    return program.model_proto


def _script(model: Any, feeds: dict[str, Any]) -> Any:
    """TorchScript is a program already: only the older exporter reads it."""
    import warnings

    import onnx
    import torch

    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            tuple(feeds.values()),
            content,
            dynamo=False,
            input_names=list(feeds),
            dynamic_axes={name: {0: "batch"} for name in feeds},
        )
    return onnx.load_from_string(content.getvalue())


def _needs(package: str, what: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise missing(package, what)
