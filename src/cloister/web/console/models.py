"""Models, what made them, their bundles; and lineage both ways."""

from __future__ import annotations

from typing import Any

from cloister.policy import Action
from cloister.web.console.calls import Asked, Call, Download, listed
from cloister.workflows.models.prove import prove_archive
from cloister.workflows.views import lineage as lines
from cloister.workflows.views import models


def all_models(asked: Asked) -> dict[str, Any]:
    """Every model, the newest first; and the names in the registry."""
    items = models.models(asked.lab)
    names = models.registered(asked.lab)
    return listed(items, None, len(items)) | {"registered": names}


def model(asked: Asked) -> object:
    """One model, whole."""
    return models.model(asked.lab, asked.named["sha256"])


def bundle(asked: Asked) -> Download:
    """The proof of a run's models as one ZIP file, made while it is sent."""
    made = prove_archive(asked.lab, asked.named["run"])
    return Download(f"bundle-{made.run}.zip", made.chunks, kind="application/zip")


def lineage(asked: Asked) -> object:
    """What surrounds a version, run, model, deployment or, for who may trace, a subject."""
    return lines.lineage(asked.lab, asked.named["kind"], asked.named["name"])


CALLS = (
    Call("GET", "/models", all_models),
    Call("GET", "/models/{sha256}", model),
    Call("GET", "/runs/{run}/bundle", bundle, Action.PROVE),
    Call("GET", "/lineage/{kind}/{name}", lineage),
)
