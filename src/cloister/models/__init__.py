"""Which models may be kept and served, what they take and give, what is on record of them."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.models import exports, hub, registry

MIGRATIONS = (
    Migration("models", 1, registry.SCHEMA),
    Migration("models", 2, exports.SCHEMA),
    Migration("models", 3, hub.SCHEMA),
)
PROJECTIONS: Mapping[str, Projection] = {
    "model.registered": registry.model_registered,
    "model.exported": exports.model_exported,
    "hub.added": hub.hub_added,
    "hub.removed": hub.hub_removed,
    "hub.given": hub.hub_given,
    "statement.signed": registry.statement_signed,
    "model.tainted": registry.model_tainted,
    "deployment.started": registry.deployment_started,
    "deployment.stopped": registry.deployment_stopped,
    "prediction.made": registry.prediction_made,
}
TABLES = (
    "model",
    "export",
    "hub_model",
    "hub_given",
    "statement",
    "taint",
    "deployment",
    "prediction",
)

__all__ = [
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "exports",
    "hub",
    "registry",
]
