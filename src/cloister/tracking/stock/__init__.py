"""Stores of a stock MLflow, its folders and its SQLite files: read, and folders written."""

from cloister.tracking.stock.described import (
    StockExperiment,
    StockLoggedModel,
    StockModel,
    StockRun,
    StockStore,
    StockVersion,
    TracedStore,
)
from cloister.tracking.stock.finding import open_store
from cloister.tracking.stock.traces import StockTrace

__all__ = [
    "StockExperiment",
    "StockLoggedModel",
    "StockModel",
    "StockRun",
    "StockStore",
    "StockTrace",
    "StockVersion",
    "TracedStore",
    "open_store",
]
