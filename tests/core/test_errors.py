"""The tree in the docstring is the tree in the code."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cloister.core import errors
from cloister.core.errors import CloisterError


def family(kind: type[CloisterError]) -> Iterator[type[CloisterError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from family(child)


KINDS = list(family(CloisterError))


def drawn() -> dict[str, tuple[str | None, int | None]]:
    """Name -> (parent, exit status) as the docstring draws them."""
    found: dict[str, tuple[str | None, int | None]] = {"CloisterError": (None, None)}
    branch = "CloisterError"
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r" {4}(│? *)[├└]── (\w+).*?(?:exit (\d+))?$", line)
        if match is None:
            continue
        indent, name, status = match.groups()
        if not indent:
            branch = name
            found[name] = ("CloisterError", int(status) if status else None)
        else:
            found[name] = (branch, None)
    return found


def test_every_error_is_drawn_under_its_parent() -> None:
    parents = {name: parent for name, (parent, _) in drawn().items()}
    real = {
        kind.__name__: None if kind is CloisterError else kind.__bases__[0].__name__
        for kind in KINDS
    }
    assert parents == real


def test_every_branch_has_the_exit_status_that_is_drawn() -> None:
    statuses = {name: status for name, (_, status) in drawn().items() if status is not None}
    branches = [kind for kind in KINDS if kind.__bases__[0] is CloisterError]
    assert statuses == {kind.__name__: kind.exit_status for kind in branches}
    assert len({kind.exit_status for kind in branches}) == len(branches)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_of_its_own_and_a_sentence(kind: type[CloisterError]) -> None:
    assert "code" in vars(kind)
    assert re.fullmatch(r"E\d00|E\d\d\d", kind.code)
    assert [other for other in KINDS if other.code == kind.code] == [kind]
    assert (kind.__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_child_shares_the_hundred_and_the_exit_status(kind: type[CloisterError]) -> None:
    for child in kind.__subclasses__():
        if kind is not CloisterError and child.__module__ == errors.__name__:
            assert child.code[:2] == kind.code[:2]
            assert child.exit_status == kind.exit_status


def test_message_and_hint_are_kept() -> None:
    error = errors.NotFound("no run run_a", hint="list them with: cloister ls")
    assert (str(error), error.hint) == ("no run run_a", "list them with: cloister ls")
    assert errors.NotFound("no run").hint is None
