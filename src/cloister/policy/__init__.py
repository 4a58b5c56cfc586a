"""One policy decision for every action."""

from cloister.policy.actions import GRAVE, Action
from cloister.policy.decide import Rules, built_in, decide, require
from cloister.policy.question import LAB, Question, Resource
from cloister.policy.roles import EVERYWHERE, PERSONS, ROLES
from cloister.policy.two_persons import TwoPersons

__all__ = [
    "EVERYWHERE",
    "GRAVE",
    "LAB",
    "PERSONS",
    "ROLES",
    "Action",
    "Question",
    "Resource",
    "Rules",
    "TwoPersons",
    "built_in",
    "decide",
    "require",
]
