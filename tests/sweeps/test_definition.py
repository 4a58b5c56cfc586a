"""Sweep files have W&B's keys and no others; what is wrong is said where it stands."""

from __future__ import annotations

import pytest

from cloister.core.errors import BadInput
from cloister.sweeps.definition import Definition, parse

WHOLE = """
program: train.py
name: ward
description: all keys at once
project: scans
entity: hospital
method: bayes
metric: {name: loss, goal: maximize, target: 0.99}
run_cap: 30
command: ["${env}", "${interpreter}", "${program}", "--fixed", "${args}"]
early_terminate: {type: hyperband, min_iter: 3, eta: 2, strict: true}
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  epochs: {value: 10}
  net: {parameters: {drop: {min: 0.0, max: 0.5}, kind: {values: [a, b]}}}
"""


def small(change: str = "", parameters: str = "{x: {values: [1, 2]}}") -> str:
    return f"program: t.py\nmethod: random\nparameters: {parameters}\n{change}"


def test_every_key_of_a_file_is_read() -> None:
    found = parse(WHOLE)
    assert (found.name, found.project, found.entity) == ("ward", "scans", "hospital")
    assert (found.method, found.cap, found.program) == ("bayes", 30, "train.py")
    assert found.metric is not None
    assert found.metric.reached(0.99)
    assert found.metric.better(2.0, 1.0)
    assert found.stopping is not None
    assert found.stopping.bands[:4] == (3, 6, 12, 24)
    assert [leaf.name for leaf in found.space.leaves] == [
        "lr",
        "epochs",
        "net.drop",
        "net.kind",
    ]
    assert [leaf.name for leaf in found.space.searched] == ["lr", "net.drop", "net.kind"]


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        (small("metod: bayes"), "metod", "method"),
        (small("metric: {nam: loss}"), "metric.nam", "name"),
        (small("metric: {name: loss, goal: minimise}"), "metric.goal", "minimize"),
        (small("run_cap: 0"), "run_cap", None),
        (small("run_cap: many"), "run_cap", None),
        (small("early_terminate: {type: hyperband, min_iter: 3}"), "metric", None),
        (small(parameters="{x: {vals: [1]}}"), "parameters.x.vals", "values"),
        (small(parameters="{x: {min: 0, max: 1, mx: 2}}"), "parameters.x.mx", "max"),
        (small(parameters="{x: {min: 2, max: 1}}"), "parameters.x", None),
        (small(parameters="{x: {distribution: log_unifrm}}"), "x.distribution", "log_uniform"),
        (small(parameters="{x: {distribution: log_uniform, min: 1, max: 900}}"), "x", None),
        (
            small(parameters="{x: {distribution: log_uniform_values, min: 0, max: 1}}"),
            "parameters.x.min",
            None,
        ),
        (small(parameters="{x: {values: [1, 2], probabilities: [1]}}"), "probabilities", None),
        (small(parameters="{x: {values: [2020-01-01]}}"), "parameters.x.values", None),
        (small(parameters="{}"), "parameters", None),
        (small("command: [python, '${arg}']"), "command", "args"),
        (small("command: [python, '--x=${args}']"), "command", None),
        (small("job: team/project/job:latest"), "job", None),
        (small("metric: {name: loss, imputed: worst}"), "metric.imputed", "impute"),
        ("method: random\nparameters: {x: {value: 1}}", "program", None),
        ("program: t.py\nparameters: {x: {value: 1}}", "method", None),
        ("program: t.py\nmethod: bayes\nparameters: {x: {value: 1}}", "metric", None),
        ("program: t.py\nmethod: grid\nparameters: {x: {min: 0.0, max: 1}}", "x", None),
        ("program: [", "line", None),
        ("just words", "", None),
    ],
)
def test_what_is_wrong_is_refused_where_it_stands(
    text: str, place: str, hint: str | None
) -> None:
    with pytest.raises(BadInput) as refused:
        parse(text)
    assert place in refused.value.message
    if hint is not None:
        assert f"did you mean {hint}" in str(refused.value.hint) or hint in str(
            refused.value.hint
        )


@pytest.mark.parametrize(
    "stopping",
    [
        "{type: hyperband}",
        "{type: envelope, min_iter: 1}",
        "{type: hyperband, min_iter: 1, max_iter: 9}",
        "{type: hyperband, max_iter: 27}",
        "{type: hyperband, min_iter: 1, eta: 1}",
        "{type: hyperband, min_iter: 1, strict: 1}",
        "{type: hyperband, max_iter: 2, s: 1, eta: 3}",
    ],
)
def test_a_rule_that_says_too_little_or_too_much_is_refused(stopping: str) -> None:
    with pytest.raises(BadInput, match="early_terminate"):
        parse(small(f"metric: {{name: loss}}\nearly_terminate: {stopping}"))


def test_numbers_that_yaml_reads_as_words_are_numbers_where_one_belongs() -> None:
    found: Definition = parse(small(parameters="{x: {min: 1e-4, max: 1e-2}}"))
    assert found.space.leaves[0].parameter.at(0.5) == pytest.approx(0.00505)


@pytest.mark.parametrize(
    ("stopping", "bands"),
    [
        ("{type: hyperband, min_iter: 3, s: 2}", (3, 9, 27)),
        ("{type: hyperband, max_iter: 27, s: 2}", (3, 9)),
        ("{type: hyperband, min_iter: 5, max_iter: 27, s: 2}", (3, 9)),
    ],
)
def test_of_two_rules_the_one_that_their_service_takes_counts(
    stopping: str, bands: tuple[int, ...]
) -> None:
    found = parse(small(f"metric: {{name: loss}}\nearly_terminate: {stopping}")).stopping
    assert found is not None
    assert found.bands[:3] == bands


def test_keys_that_change_nothing_here_are_named() -> None:
    more = "kind: sweep\ncontroller: {type: local}\nmetric: {name: loss, impute: worst}"
    assert parse(small(more)).unused == ("controller", "kind", "metric.impute")
    assert not parse(WHOLE).unused


def test_a_file_that_is_no_yaml_says_in_which_line_and_why() -> None:
    with pytest.raises(BadInput, match="line 2") as refused:
        parse("program: t.py\n\tmethod: random")
    assert "token" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("method: random\n", "method: is there twice"),
        ("metric: {name: a, name: b}\n", "name: is there twice"),
        ("command: [x, {a: 1, 'a': 2}]\n", "a: is there twice"),
    ],
)
def test_a_key_that_is_given_twice_is_refused(more: str, what: str) -> None:
    with pytest.raises(BadInput, match=f"{what}, again in line [0-9]+"):
        parse(small(more))


def test_an_alias_is_no_second_key() -> None:
    text = small("name: &name one\ndescription: *name\n")
    assert parse(text).description == "one"
