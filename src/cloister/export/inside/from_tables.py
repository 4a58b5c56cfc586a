"""Models of tables: scikit-learn, LightGBM, XGBoost, from a pickle or their own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloister.export.inside.failing import Refused, missing
from cloister.export.inside.job import Job
from cloister.export.inside.parity import Converted
from cloister.export.inside.rows import features, made_up, read_rows

INPUT = "rows"
_OPSETS = {"": 18, "ai.onnx.ml": 3}  # the newest that all converters of boosters write


def from_estimator(model: Any, job: Job) -> Converted:
    """An object that a pickle or joblib file held; raises Refused for what is no model."""
    model = _the_model(model)
    package = type(model).__module__.partition(".")[0]
    if package == "lightgbm":
        return _boosted(model, job, "lightgbm")
    if package == "xgboost":
        return _boosted(model, job, "xgboost")
    return _sklearn(model, job)


def from_lightgbm(path: Path, job: Job) -> Converted:
    """LightGBM's own text file."""
    try:
        import lightgbm
    except ImportError as error:
        raise missing("lightgbm", "a LightGBM file") from error
    return _boosted(lightgbm.Booster(model_file=str(path)), job, "lightgbm")


def from_xgboost(path: Path, job: Job) -> Converted:
    """XGBoost's own JSON or UBJ file."""
    try:
        import xgboost
    except ImportError as error:
        raise missing("xgboost", "an XGBoost file") from error
    booster = xgboost.Booster()
    suffix = ".json" if path.read_bytes()[:2] not in {b"{L", b"{l", b"{i"} else ".ubj"
    if path.suffix != suffix:
        raise Refused(f"the file holds {suffix[1:]}: let your script name it *{suffix}")
    booster.load_model(str(path))
    return _boosted(booster, job, "xgboost")


def _the_model(found: Any) -> Any:
    """The object itself, or the only model in a dictionary, list or tuple of things."""
    held = list(found.values()) if isinstance(found, dict) else found
    if isinstance(held, (list, tuple)):
        models = [one for one in held if _is_model(one)]
        if len(models) != 1:
            raise Refused(f"the file holds {len(models)} models: leave one model in a file")
        return models[0]
    if not _is_model(held):
        raise Refused("the file holds no model: nothing in it predicts or transforms")
    return held


def _is_model(thing: Any) -> bool:
    package = type(thing).__module__.partition(".")[0]
    acts = hasattr(thing, "predict") or hasattr(thing, "transform")
    return acts and package in {"sklearn", "lightgbm", "xgboost"}


def _rows(job: Job, names: Any, count: int) -> Any:
    if job.rows is None:
        return made_up(count)
    wanted = [str(name) for name in names] if names is not None else []
    rows = features(read_rows(job.rows), wanted, count)
    if not len(rows):
        raise Refused("no row without missing numbers is left to compare on")
    return rows


def _sklearn(model: Any, job: Job) -> Converted:
    try:
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError as error:
        raise missing("skl2onnx", "a scikit-learn model") from error
    count = getattr(model, "n_features_in_", None)
    if count is None:
        raise Refused("the model does not say how many numbers it takes: was it fitted?")
    rows = _rows(job, getattr(model, "feature_names_in_", None), int(count))
    _allow_boosters()
    try:
        onnx = _converted(model, [(INPUT, FloatTensorType([None, int(count)]))])
    except (RuntimeError, NotImplementedError, NameError, TypeError, ValueError) as error:
        raise Refused(
            f"skl2onnx cannot convert this {type(model).__name__}: {type(error).__name__}",
            "its words are in the log; convert it in your script and leave the ONNX file",
        ) from error
    # The same numbers; compiled parts want the width they were fitted with.
    expected = _answers(model, rows.astype("float64"))[: len(onnx.graph.output)]
    return _done(onnx, rows, expected, job, f"scikit-learn by skl2onnx {skl2onnx.__version__}")


def _converted(model: Any, takes: list[Any]) -> Any:
    """The ONNX model: of a classifier plain tensors, with scores as the original has them."""
    import skl2onnx
    from sklearn.base import is_classifier

    plain, raw = {"zipmap": False}, {"raw_scores": True}
    last = model[-1] if hasattr(model, "steps") else model
    choices: list[dict[int, dict[str, bool]] | None] = [None]
    if is_classifier(model) and hasattr(model, "predict_proba"):
        choices = [{id(model): plain}]
    elif is_classifier(model):  # not every converter knows both words
        choices = [{id(last): plain | raw}, {id(last): raw}, {id(model): plain}]
    for options in choices[:-1]:
        try:
            return skl2onnx.convert_sklearn(
                model, "model", takes, target_opset=dict(_OPSETS), options=options
            )
        except NameError:
            continue
    return skl2onnx.convert_sklearn(
        model, "model", takes, target_opset=dict(_OPSETS), options=choices[-1]
    )


def _answers(model: Any, rows: Any) -> list[Any]:
    """What the original says, in the order in which skl2onnx gives its outputs."""
    import warnings

    with warnings.catch_warnings():  # fitted on a table with names, asked without
        warnings.simplefilter("ignore")
        if not hasattr(model, "predict"):
            return [model.transform(rows)]
        answers = [model.predict(rows)]
        for name in ("predict_proba", "decision_function", "transform"):
            if hasattr(model, name):
                return [*answers, getattr(model, name)(rows)]
        return answers


def _allow_boosters() -> None:
    """Lets a pipeline of scikit-learn end in a booster, where its converter is installed."""
    try:
        import lightgbm
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
        from skl2onnx import update_registered_converter
        from skl2onnx.common.shape_calculator import (
            calculate_linear_classifier_output_shapes,
            calculate_linear_regressor_output_shapes,
        )
    except ImportError:
        return
    for kind, shapes in (
        (lightgbm.LGBMClassifier, calculate_linear_classifier_output_shapes),
        (lightgbm.LGBMRegressor, calculate_linear_regressor_output_shapes),
    ):
        options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
        update_registered_converter(
            kind,
            f"LightGbm{kind.__name__}",
            shapes,
            convert_lightgbm,
            options=options if kind is lightgbm.LGBMClassifier else None,
        )


def _boosted(model: Any, job: Job, package: str) -> Converted:
    try:
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType
    except ImportError as error:
        raise missing("onnxmltools", f"a model of {package}") from error
    count = _width(model)
    names = getattr(model, "feature_names_in_", None)
    rows = _rows(job, names, count)
    initial = [(INPUT, FloatTensorType([None, count]))]
    if package == "lightgbm":
        onnx = onnxmltools.convert_lightgbm(model, initial_types=initial, zipmap=False)
    else:
        onnx = onnxmltools.convert_xgboost(model, initial_types=initial)
    expected = _boosted_answers(model, rows, len(onnx.graph.output))
    version = onnxmltools.__version__
    return _done(onnx, rows, expected, job, f"{package} by onnxmltools {version}")


def _width(model: Any) -> int:
    for name in ("n_features_in_", "num_feature", "num_features"):
        found = getattr(model, name, None)
        if found is not None:
            return int(found() if callable(found) else found)
    raise Refused("the model does not say how many numbers it takes")


def _boosted_answers(model: Any, rows: Any, outputs: int) -> list[Any]:
    """Label and probabilities, or a number; a bare booster gives the latter of each."""
    import numpy as np

    if hasattr(model, "predict_proba"):
        return [model.predict(rows), model.predict_proba(rows)]
    if type(model).__name__ == "Booster" and type(model).__module__.startswith("xgboost"):
        import xgboost

        data = xgboost.DMatrix(rows, feature_names=model.feature_names)
        given = np.asarray(model.predict(data))
    else:
        given = np.asarray(model.predict(rows))
    if outputs == 1:
        return [given]
    if given.ndim == 1:
        given = np.stack([1 - given, given], axis=1)
    return [given.argmax(1), given]


def _done(onnx: Any, rows: Any, expected: list[Any], job: Job, converter: str) -> Converted:
    kind = converter.partition(" ")[0]
    return Converted(onnx, {INPUT: rows}, expected, job.rows is not None, kind, converter)
