"""Stores of a stock MLflow, its folders and its SQLite files: read, and folders written."""

from cloister.tracking.stock.described import (
    StockExperiment,
    StockLoggedModel,
    StockModel,
    StockRun,
    StockStore,
    StockVersion,
)
from cloister.tracking.stock.finding import open_store

__all__ = [
    "StockExperiment",
    "StockLoggedModel",
    "StockModel",
    "StockRun",
    "StockStore",
    "StockVersion",
    "open_store",
]
