"""How commands of sweeps show trials: a line for each as it ends, why one failed, values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cloister.cli.output import Output
from cloister.core.errors import CloisterError, NotFound
from cloister.core.values import LOCAL
from cloister.workflows.sweeps.run import Moment
from cloister.workflows.sweeps.whys import WHYS


@contextmanager
def shown(output: Output) -> Iterator[Callable[[Moment], None]]:
    """Each trial as it ends, a line, with the best so far."""
    with output.progress() as bar:

        def tell(moment: Moment) -> None:
            bar("trials", moment.ended, moment.of or moment.ended)
            value = number(moment.value) or WHYS.get(moment.why, "")
            best = moment.best
            mark = "  best" if best is not None and best.number == moment.number else ""
            if moment.state == "failed":
                mark = f"  {moment.run}"
            named = moment.on is not None or moment.state == "moved"
            at = f"  at {moment.on or LOCAL}" if named else ""
            output.note(
                f"  {moment.number:>4}  {moment.state:<11}  {value:<10}"
                f"  {words(moment.values)}{at}{mark}"
            )

        yield tell


def away(output: Output, error: CloisterError) -> None:
    """A machine that does not answer, or refuses."""
    left = "it is asked again" if isinstance(error, NotFound) else "it is left out"
    output.note(f"  {error.message}: {left}")


def words(values: Mapping[str, Any]) -> str:
    """Parameters and their values, on one line."""
    return " ".join(f"{name}={short(value)}" for name, value in values.items())


def short(value: Any) -> str:
    """A value, its digits as far as one reads them."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def number(value: float | None) -> str | None:
    """A metric."""
    return None if value is None else f"{value:.6g}"
