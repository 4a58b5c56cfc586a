"""The list of models that a run logged, which older clients keep in a tag of the run."""

from __future__ import annotations

import json

from cloister.core.errors import BadInput
from cloister.core.events import Event, Transaction
from cloister.policy import Action
from cloister.runs.identified import Place
from cloister.tracking import limits, notes
from cloister.workflows.tracking import seen
from cloister.workflows.tracking.cleaning import Cleaner
from cloister.workflows.tracking.recording import one, record
from cloister.workflows.tracking.visit import Visit

TAG = "mlflow.log-model.history"
_KEPT = ("run_id", "artifact_path", "utc_time_created", "model_uuid", "flavors")


def add(visit: Visit, run: str, model_json: str) -> None:
    """Adds what ``model_json`` describes; raises NotFound, BadInput for what describes nothing.

    The oldest are dropped where the tag would be too long for one.
    """
    act = visit.act(Action.RUN)
    cleaner = Cleaner(visit)
    described = _described(cleaner.text(Place.TAG, model_json))

    def change(tx: Transaction) -> tuple[list[Event], None]:
        seen.active_run(visit, tx, run)
        kept = [*_before(tx, run), described]
        while kept and len(json.dumps(kept)) > limits.TAG_CHARS:
            kept.pop(0)
        body = {
            "params": [],
            "points": "",
            "series": [],
            "tags": [[TAG, json.dumps(kept)]],
            "tracked": run,
        }
        return [*one(act, "tracked.logged", body), *cleaner.events(act, run)], None

    record(act, change)


def _before(tx: Transaction, run: str) -> list[object]:
    """What the tag lists; nothing where a script wrote something else into it."""
    tags = {name: value for _, name, value in notes.tags(tx, [run])}
    try:
        listed = json.loads(tags.get(TAG, "[]"))
    except (ValueError, RecursionError):
        return []
    return listed if isinstance(listed, list) else []


def _described(model_json: str) -> dict[str, object]:
    try:
        model = json.loads(model_json)
    except (ValueError, RecursionError) as error:
        raise BadInput("Malformed model info: it is not valid JSON") from error
    if not isinstance(model, dict) or "artifact_path" not in model or "flavors" not in model:
        raise BadInput("Model json is missing mandatory fields: artifact_path and flavors")
    return {key: model[key] for key in _KEPT if key in model}
