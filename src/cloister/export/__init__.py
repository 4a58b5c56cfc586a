"""Any honest script ends in a model that can be served: what converts it, what is believed.

A library over bytes: ``inside`` runs in the fence with the interpreter that made the model,
``report`` reads what it says afterwards, ``sources`` is what must be shown to it.
"""

from cloister.export.report import Limits, Outcome, judge
from cloister.export.sources import RESULTS, program

__all__ = ["RESULTS", "Limits", "Outcome", "judge", "program"]
