"""A run as clients read it: put together as text, it is the JSON of what was logged."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from cloister.tracking.inputs import Dataset, DatasetInput, Inputs, ModelLink
from cloister.tracking.notes import Note
from cloister.tracking.points import Latest
from cloister.tracking.runs import TrackedRun
from cloister.web.mlflow.codec import Message, encode
from cloister.web.mlflow.runs import FENCE, UNFENCED, shown
from cloister.workflows.tracking.marks import Marks
from cloister.workflows.tracking.seen import SeenRun

RUN = "f" * 32
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
NUMBERS = st.floats()
STEPS = st.integers(-(1 << 63), (1 << 63) - 1)
METRICS = st.lists(
    st.builds(Latest, st.just(RUN), TEXTS, NUMBERS, st.integers(0, 1 << 62), STEPS), max_size=3
)
NOTES = st.lists(st.tuples(TEXTS.map("t.{}".format), TEXTS), max_size=3)


def of(name: str, ended_ms: int | None = None) -> TrackedRun:
    return TrackedRun(
        RUN, 7, "shared", name, name, "RUNNING", 5, ended_ms, "active", f"a:/{name}", None
    )


def as_pairs(notes: object) -> list[tuple[str, str]]:
    assert isinstance(notes, list)
    return [(note["key"], note["value"]) for note in notes]


@given(TEXTS, METRICS, NOTES, NOTES)
def test_whatever_was_logged_is_read_back_from_json(
    name: str, metrics: list[Latest], params: list[tuple[str, str]], tags: list[tuple[str, str]]
) -> None:
    told = json.loads(shown(SeenRun(of(name), metrics, params, tags, None)))
    info, data = told["info"], told["data"]
    assert (info["run_name"], info["user_id"], info["artifact_uri"]) == (
        name,
        name,
        f"a:/{name}",
    )
    assert as_pairs(data["params"]) == params
    assert as_pairs(data["tags"]) == [*tags, (FENCE, UNFENCED)]
    for sent, latest in zip(data["metrics"], metrics, strict=True):
        assert (sent["key"], sent["timestamp"], sent["step"]) == (
            latest.metric, latest.time_ms, latest.step,
        )  # fmt: skip
        back = Message(sent).number("value")
        assert back == latest.value or (math.isnan(back) and math.isnan(latest.value))


def test_a_number_that_json_lacks_is_a_word_alone_and_among_others() -> None:
    for value, word in ((math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")):
        told = json.loads(
            shown(SeenRun(of("r"), [Latest(RUN, "m", value, 1, 2)], (), (), None))
        )
        assert told["data"]["metrics"][0]["value"] == word
        assert json.loads(encode([value])) == [word]


def test_what_is_not_known_is_left_out_and_what_is_known_is_all_there() -> None:
    bare = json.loads(shown(SeenRun(of("r"), (), (), (), None)))
    assert "end_time" not in bare["info"]
    assert (bare["inputs"], bare["outputs"]) == ({}, {})
    dataset = Dataset('"scans"', "d1", "local", "{}", None, None)
    given = Inputs([DatasetInput(dataset, (Note("a", '"'),))], [], [ModelLink("m-1", 3)])
    full = json.loads(shown(SeenRun(of("r", 9), (), (), (), given, Marks(tainted=True))))
    assert full["info"]["end_time"] == 9
    assert full["data"]["tags"][-1] == {"key": "cloister.state", "value": "TAINTED"}
    assert full["outputs"] == {"model_outputs": [{"model_id": "m-1", "step": 3}]}
    (read,) = full["inputs"]["dataset_inputs"]
    assert read["dataset"]["name"] == '"scans"'
    assert read["tags"] == [{"key": "a", "value": '"'}]
