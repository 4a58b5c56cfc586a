"""MLflow's search grammar over the tables of tracking."""

from cloister.tracking.search import experiments, grammar, pages, runs

__all__ = ["experiments", "grammar", "pages", "runs"]
