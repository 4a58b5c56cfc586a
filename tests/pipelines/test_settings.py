"""What cloister.toml says of pipelines."""

from __future__ import annotations

import pytest

from cloister.core.errors import BadInput
from cloister.pipelines.settings import PipelineSettings, parse_pipelines


def test_the_table_says_where_calls_are_made() -> None:
    assert parse_pipelines({"on": ["ssh:gpu1", "local"]}) == PipelineSettings(
        ("ssh:gpu1", "local")
    )
    assert parse_pipelines({}) == PipelineSettings()


@pytest.mark.parametrize("wrong", [{"at": []}, {"on": "ssh:gpu1"}, {"on": [1]}, []])
def test_anything_else_is_an_error(wrong: object) -> None:
    with pytest.raises(BadInput, match=r"cloister.toml: \[pipelines\]"):
        parse_pipelines(wrong)
