"""The end of a run of a pipeline, on record."""

from __future__ import annotations

from cloister.core.events import Event, Transaction
from cloister.pipelines import history as flows
from cloister.workflows.lab import Act


def close(act: Act, flow: str) -> bool:
    """Puts on record that a run of a pipeline was stopped, where somebody asked for that, or
    interrupted; False if it has ended."""

    def write(tx: Transaction) -> bool:
        found = flows.find(tx, flow)
        if found.state not in {"running", "waiting"}:
            return False
        state = "stopped" if found.stopping else "interrupted"
        act.lab.ledger.append(tx, [ended(act, flow, state)])
        return True

    return act.lab.database.write(write)


def ended(act: Act, flow: str, state: str) -> Event:
    """The event that says so."""
    return act.event("pipeline.ended", {"flow": flow, "state": state})
