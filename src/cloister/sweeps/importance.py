"""How much each parameter mattered: PED-ANOVA (Watanabe et al., IJCAI 2023)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

from cloister.sweeps.definition import Definition
from cloister.sweeps.search import Told, distribution, ended, optuna

_FEWEST = 8
"""Finished trials; of fewer nothing can be said."""


def importance(definition: Definition, told: Iterable[Told]) -> Mapping[str, float]:
    """Dotted name -> share, together 1, the largest first; empty where nothing can be said.

    It says what told good trials from the others, in the finished ones; it is no proof that
    one thing caused another.
    """
    metric = definition.metric
    searched = definition.space.searched
    finished = [one for one in told if one.state == "finished" and one.value is not None]
    if metric is None or len(finished) < _FEWEST or not searched:
        return {}
    library = optuna()
    spread = {leaf.name: distribution(leaf.parameter) for leaf in searched}
    study = library.create_study(direction="maximize" if metric.maximize else "minimize")
    study.add_trials([trial for one in finished if (trial := ended(one, spread)) is not None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is new, and of few trials
        found = library.importance.get_param_importances(
            study, evaluator=library.importance.PedAnovaImportanceEvaluator()
        )
    return {name: float(share) for name, share in found.items()}
