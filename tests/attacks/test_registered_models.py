"""Attacks on the registry of models: from another fence, another project, by false sources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloister.core.errors import BadInput, CloisterError, NotAllowed, NotFound
from cloister.tracking.notes import Note
from cloister.workflows.tracking import logged_models, registry, versions
from cloister.workflows.tracking.logged_models import NewModel
from cloister.workflows.tracking.versions import NewVersion
from cloister.workflows.tracking.visit import Visit
from tests.tracking.conftest import ENGINES, new_uri
from tests.tracking.lab import TrackingLab

FIRST, SECOND = "run_aaaaaaaaaaaaaaaa", "run_bbbbbbbbbbbbbbbb"
OTHER = "prj_aaaaaaaaaaaaaaaa"


@pytest.fixture(params=ENGINES)
def lab(request: pytest.FixtureRequest) -> Iterator[TrackingLab]:
    made = TrackingLab(new_uri(request))
    yield made
    assert made.audit().findings == ()
    made.close()


def model(visit: Visit) -> str:
    """A logged model's address."""
    made = logged_models.create(visit, NewModel("0", "m", params=(Note("a", "1"),)))
    return f"models:/{made.model.model}"


def test_a_job_sees_the_versions_that_it_added_alone(lab: TrackingLab) -> None:
    first, second = lab.visit("engineer", FIRST), lab.visit("engineer", SECOND)
    registry.create(first, "ward", [Note("t", "1")])
    versions.create(first, NewVersion("ward", model(first)))
    registry.set_alias(first, "ward", "champion", "1")
    for reach in (
        lambda: versions.get(second, "ward", "1"),
        lambda: versions.by_alias(second, "ward", "champion"),
        lambda: versions.download_place(second, "ward", "1"),
        lambda: versions.delete(second, "ward", "1"),
        lambda: versions.set_tag(second, "ward", "1", Note("a", "b")),
        lambda: versions.describe(second, "ward", "1", "mine"),
        lambda: registry.set_alias(second, "ward", "champion", "1"),
    ):
        with pytest.raises(NotFound):
            reach()
    assert versions.search(second).found == []
    assert registry.get(second, "ward").latest == []
    assert versions.create(second, NewVersion("ward", model(second))).version.version == 2
    assert [one.version.version for one in versions.search(second).found] == [2]
    assert versions.by_alias(lab.visit(), "ward", "champion").version.version == 1


def test_a_job_does_not_change_what_others_share(lab: TrackingLab) -> None:
    visit, job = lab.visit(), lab.visit("engineer", FIRST)
    registry.create(visit, "ward")
    for reach in (
        lambda: registry.delete(job, "ward"),
        lambda: registry.change(job, "ward", new_name="mine"),
        lambda: registry.change(job, "ward", description="mine"),
        lambda: registry.remove_alias(job, "ward", "champion"),
        lambda: versions.set_tag(job, "ward", None, Note("a", "b")),
    ):
        with pytest.raises(NotAllowed):
            reach()


def test_another_runs_model_is_no_source_and_not_found(lab: TrackingLab) -> None:
    first, second = lab.visit("engineer", FIRST), lab.visit("engineer", SECOND)
    source = model(first)
    name = source.removeprefix("models:/")
    registry.create(second, "ward")
    with pytest.raises(NotFound):
        versions.create(second, NewVersion("ward", source))
    for reach in (logged_models.get, logged_models.delete):
        with pytest.raises(NotFound):
            reach(second, name)
    assert logged_models.search(second, ["0"]).found == []
    assert len(logged_models.search(first, ["0"], "params.a = '1'").found) == 1


def test_another_project_is_not_found(lab: TrackingLab) -> None:
    visit, stranger = lab.visit(), lab.visit("engineer", None, OTHER)
    registry.create(visit, "ward")
    versions.create(visit, NewVersion("ward", model(visit)))
    for reach in (registry.get, registry.delete, registry.latest):
        with pytest.raises(NotFound):
            reach(stranger, "ward")
    assert registry.search(stranger).found == []
    assert versions.search(stranger).found == []
    registry.create(stranger, "ward")  # that the name is taken elsewhere is not told
    assert registry.get(stranger, "ward").latest == []
    assert len(registry.get(visit, "ward").latest) == 1


def test_who_may_not_run_changes_nothing(lab: TrackingLab) -> None:
    registry.create(lab.visit(), "ward")
    for reach in (registry.create, registry.delete):
        with pytest.raises(NotAllowed):
            reach(lab.visit("auditor"), "ward")


@pytest.mark.parametrize(
    "source",
    [
        *("file:///etc/passwd", "/etc", "s3://b/m", "https://evil.example/m", "dbfs:/m"),
        *("mlflow-artifacts:/0/../1/x", "mlflow-artifacts://evil/0/x/artifacts"),
        *("models:/m-" + "0" * 32, "models://evil/m-" + "0" * 32, "runs:/nobody/m", "a\0b"),
    ],
)
def test_a_source_outside_this_server_is_refused(lab: TrackingLab, source: str) -> None:
    visit = lab.visit()
    registry.create(visit, "ward")
    with pytest.raises((BadInput, NotFound)):
        versions.create(visit, NewVersion("ward", source))


def test_an_alias_that_moves_and_goes_is_the_same_at_replay(lab: TrackingLab) -> None:
    visit = lab.visit()
    registry.create(visit, "ward")
    for _ in range(3):
        versions.create(visit, NewVersion("ward", model(visit)))
    for number in "123":
        registry.set_alias(visit, "ward", "it", number)
    registry.remove_alias(visit, "ward", "it")
    registry.set_alias(visit, "ward", "that", "2")
    assert [tuple(one)[1:] for one in registry.get(visit, "ward").aliases] == [("that", 2)]
    with pytest.raises(CloisterError):
        versions.by_alias(visit, "ward", "it")
