"""The reference says what the code has: commands, errors, events, settings, seams, coverage."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from cloister.app.platform import PROJECTIONS
from cloister.cli.root import EVERYDAY, root
from cloister.web.mlflow import surface
from cloister.web.mlflow.errors import Refusal
from cloister.web.mlflow.routing import Table
from tests.conftest import ROOT
from tests.docs.commandline import check

REFERENCE = ROOT / "docs/reference"
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \|(?P<command>[^|]*)\| (?P<test>[^|]+) \|(?P<figure>[^|]*)\|$", re.M
)
ROWS = [
    row
    for row in ROW.finditer((REFERENCE / "coverage.md").read_text())
    if row["what"].strip() not in {"capability", "---"}
]


def tool(name: str) -> ModuleType:
    """One of tools/, which are no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions_in(path: Path) -> set[str]:
    """The tests of a file, those of its classes too."""
    tree = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef)}


def test_the_pages_written_from_the_code_are_up_to_date() -> None:
    reference = tool("reference")
    said = "run `python tools/reference.py`"
    assert (REFERENCE / "commands.md").read_text() == reference.commands_page(), said
    assert (REFERENCE / "errors.md").read_text() == reference.errors_page(), said
    assert (REFERENCE / "findings.md").read_text() == reference.findings_page(), said
    assert (REFERENCE / "mlflow.md").read_text() == reference.mlflow_page(), said


def test_each_of_mlflows_endpoints_is_answered_or_refused_by_name() -> None:
    table = Table((*surface.OPEN, *surface.ENDPOINTS))
    page = re.sub(r"\{[^}]*\}", "{}", (REFERENCE / "mlflow.md").read_text())
    answered, _, refused = page.partition("## Not answered")
    for method, path in tool("reference").known_endpoints():
        concrete, plain = (re.sub(r"\{[^}]*\}", one, path) for one in ("x1", "{}"))
        if f"`{method} {plain}`" in answered:
            table.find(method, f"/api{concrete}")
            continue
        assert f"`{method} {plain}`" in refused
        with pytest.raises(Refusal, match="is not answered here") as refusal:
            table.find(method, f"/api{concrete}")
        assert (refusal.value.code, refusal.value.status) == ("NOT_IMPLEMENTED", 501)


def test_every_command_and_option_is_described() -> None:
    page = (REFERENCE / "commands.md").read_text()
    commands = {name: root.get_command(click.Context(root), name) for name in EVERYDAY}
    for name, command in commands.items():
        assert command is not None
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        for each in inner:
            title = f"cloister {name}" if each is command else f"cloister {name} {each.name}"
            section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
            assert section, title
            for option in (o for p in each.params for o in p.opts if o.startswith("--")):
                assert option in section, (title, option)


def test_every_event_is_described() -> None:
    page = (REFERENCE / "events.md").read_text()
    described = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", page, re.M))
    assert described == set(PROJECTIONS)


def test_every_variable_that_is_read_is_described() -> None:
    page = (REFERENCE / "settings.md").read_text()
    for source in (ROOT / "src/cloister").rglob("*.py"):
        for name in re.findall(r"\b(?:CLOISTER|XDG)_[A-Z_]+\b", source.read_text()):
            assert name == "CLOISTER_COMPLETE" or f"`{name}`" in page, (source.name, name)


def test_every_setting_is_described() -> None:
    from cloister.app import config

    page = (REFERENCE / "settings.md").read_text()
    for name in config._KNOWN:
        assert f"\n| `{name}` |" in page


def test_every_seam_that_is_described_is_there() -> None:
    page = (REFERENCE / "seams.md").read_text()
    names = re.findall(r"`(?:cloister\.)?((?:keys|store|db|serving|testing|core)[\w.]+)`", page)
    assert len(names) > 10
    for name in names:
        module, _, attribute = name.rpartition(".")
        try:
            found = importlib.import_module(f"cloister.{name}")
        except ModuleNotFoundError:
            found = getattr(importlib.import_module(f"cloister.{module}"), attribute)
        assert found is not None


def test_coverage_has_a_row_for_every_everyday_command() -> None:
    shown = " ".join(row["command"] for row in ROWS)
    for name in EVERYDAY:
        assert f"`{name}" in shown, name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"].strip()[:60])
def test_what_claims_to_work_names_what_exists(row: re.Match[str]) -> None:
    commands = re.findall(r"`([^`]+)`", row["command"])
    if row["test"].strip() == "not yet":
        assert not commands
        assert not row["figure"].strip()
        return
    assert commands
    for words in commands:
        check(words.split(), whole=False)
    path, _, test = row["test"].strip().strip("`").partition("::")
    assert test in functions_in(ROOT / path)
    for figure in re.findall(r"`([^`]+)`", row["figure"]):
        assert (ROOT / f"benchmarks/{figure}.py").is_file(), figure


def test_the_threat_model_names_tests_that_exist() -> None:
    page = (ROOT / "docs/threat-model.md").read_text()
    named = set(re.findall(r"`(test_\w+\.py)`", page))
    assert len(named) > 20
    for test in named:
        assert (ROOT / "tests/attacks" / test).is_file(), test


def test_every_attack_is_in_the_threat_model() -> None:
    page = (ROOT / "docs/threat-model.md").read_text()
    for test in (ROOT / "tests/attacks").glob("test_*.py"):
        assert test.name in page, test.name


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs/adr").glob("*.md"))
    numbers = [page.name.partition("-")[0] for page in pages]
    assert len(set(numbers)) == len(numbers)
    for page, number in zip(pages, numbers, strict=True):
        assert page.read_text().startswith(f"# {number}: "), page.name
