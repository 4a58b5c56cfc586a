"""Is the data sound? Findings on one version, from facts and tables alone."""

from cloister.checks.findings import KINDS, Finding, Kind, Severity, worst
from cloister.checks.identifiers import distinct_tokens
from cloister.checks.inspection import inspect
from cloister.checks.material import LabelValue, Material, Table, TableRow

__all__ = [
    "KINDS",
    "Finding",
    "Kind",
    "LabelValue",
    "Material",
    "Severity",
    "Table",
    "TableRow",
    "distinct_tokens",
    "inspect",
    "worst",
]
