"""People who act and patients acted upon: both known to the record by random names."""

from collections.abc import Mapping

from cloister.core.events import Projection
from cloister.db import Migration
from cloister.identity import key_use, people, subjects

MIGRATIONS = (Migration("identity", 1, (*people.SCHEMA, *subjects.SCHEMA, *key_use.SCHEMA)),)
PROJECTIONS: Mapping[str, Projection] = {
    "person.added": people.person_added,
    "token.issued": people.token_issued,
    "subject.linked": subjects.subject_linked,
    "subject.unlinked": subjects.subject_unlinked,
    "erase.intended": subjects.erase_intended,
    "erase.completed": subjects.erase_completed,
    "keys.journaled": key_use.keys_journaled,
}
TABLES = ("person", "token", "subject_link", "erasure", "key_use")

__all__ = ["MIGRATIONS", "PROJECTIONS", "TABLES", "key_use", "people", "subjects"]
