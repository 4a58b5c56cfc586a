"""Labels that come through a browser: a table in memory for a moment, then label rows."""

from __future__ import annotations

from collections.abc import Iterable

from cloister import fence
from cloister.core.errors import BadInput
from cloister.core.files import translated
from cloister.labels.parse import LabelRules
from cloister.policy import Action
from cloister.workflows.data.add import LabelSource
from cloister.workflows.data.relabel import Relabelled, relabel
from cloister.workflows.lab import Lab

LARGEST_BYTES = 32 << 20


def relabel_from(
    lab: Lab, dataset: str, body: Iterable[bytes], rules: LabelRules
) -> Relabelled:
    """Labels records of the newest version from a table that is sent; see `relabel`.

    The table lies in plain in the private folder in memory that jobs have, while it is read.
    Raises BadInput for one that is too large, and what `relabel` raises.
    """
    lab.act(Action.LABEL)
    with fence.scratch() as folder:
        file, size_bytes = folder / "labels.csv", 0
        with translated(), file.open("xb") as target:
            for block in body:
                size_bytes += len(block)
                if size_bytes > LARGEST_BYTES:
                    raise BadInput(f"a table of labels has at most {LARGEST_BYTES >> 20} MiB")
                target.write(block)
        return relabel(lab, dataset, LabelSource(file, rules))
