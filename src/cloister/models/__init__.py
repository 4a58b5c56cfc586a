"""Which models may be kept and served, what they take and give, what is on record of them."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.models import exports, registry
from cloister.models.formats import ModelFormat, recognise
from cloister.models.onnx import ModelSpec, TensorSpec, inspect

MIGRATIONS = (
    Migration("models", 1, registry.SCHEMA),
    Migration("models", 2, exports.SCHEMA),
)
PROJECTIONS: Mapping[str, Projection] = {
    "model.registered": registry.model_registered,
    "model.exported": exports.model_exported,
    "statement.signed": registry.statement_signed,
    "model.tainted": registry.model_tainted,
    "deployment.started": registry.deployment_started,
    "deployment.stopped": registry.deployment_stopped,
    "prediction.made": registry.prediction_made,
}
TABLES = ("model", "export", "statement", "taint", "deployment", "prediction")

__all__ = [
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "ModelFormat",
    "ModelSpec",
    "TensorSpec",
    "inspect",
    "recognise",
]
