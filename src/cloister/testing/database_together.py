"""What every database engine must pass of operations brought together: with `DatabaseSuite`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.core.events import Transaction
from cloister.db import Database
from cloister.testing.database_suite import add, words


class TogetherSuite:
    """Subclass it beside `DatabaseSuite`, which opens the databases."""

    def test_operations_side_by_side_have_outcomes_of_their_own(
        self, opened: Callable[..., Database]
    ) -> None:
        commits: list[Transaction] = []

        def fails(tx: Transaction) -> None:
            add("lost")(tx)
            raise LookupError("mine alone")

        database = opened(before_commit=commits.append)
        first, second, third = database.write_each((add("a"), fails, add("b")))
        assert (first(), third()) == (1, 1)
        with pytest.raises(LookupError, match="mine alone"):
            second()
        assert sorted(words(opened())) == ["a", "b"]
        assert len(commits) == 1
        assert database.write_each(()) == []

    def test_more_operations_than_one_commit_holds_are_all_settled(
        self, opened: Callable[..., Database]
    ) -> None:
        database = opened()
        outcomes = database.write_each([add(f"w{number}") for number in range(600)])
        assert {outcome() for outcome in outcomes} == {1}
        assert len(words(opened())) == 600
