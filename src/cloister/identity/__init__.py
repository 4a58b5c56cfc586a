"""People who act and patients acted upon: both known to the record by random names."""

from collections.abc import Mapping

from cloister.core.events import Projection, no_rows
from cloister.db import Migration
from cloister.identity import (
    approvals,
    credentials,
    key_use,
    own_policies,
    people,
    projects,
    rulings,
    saved,
    sessions,
    subjects,
    tokens,
    tries,
)

_TEAM = (
    *people.TEAM,
    *credentials.SCHEMA,
    *sessions.SCHEMA,
    *projects.SCHEMA,
    *approvals.SCHEMA,
    *own_policies.SCHEMA,
)
MIGRATIONS = (
    Migration("identity", 1, (*people.SCHEMA, *subjects.SCHEMA, *key_use.SCHEMA)),
    Migration("identity", 2, _TEAM),
    Migration("identity", 3, rulings.SCHEMA),
    Migration("identity", 4, tries.SCHEMA),
    Migration("views", 1, saved.SCHEMA),
)
PROJECTIONS: Mapping[str, Projection] = {
    "person.added": people.person_added,
    "person.changed": people.person_changed,
    "person.removed": people.person_removed,
    "person.invited": credentials.person_invited,
    "invitation.used": credentials.invitation_used,
    "credential.set": credentials.credential_set,
    "credential.removed": credentials.credential_removed,
    "session.opened": sessions.session_opened,
    "session.proved": sessions.session_proved,
    "session.closed": sessions.session_closed,
    "login.refused": no_rows,
    "token.issued": people.token_issued,
    "token.revoked": people.token_revoked,
    "project.created": projects.project_created,
    "project.joined": projects.project_joined,
    "project.left": projects.project_left,
    "object.placed": projects.object_placed,
    "policy.set": own_policies.policy_set,
    "approval.requested": approvals.approval_requested,
    "approval.given": approvals.approval_given,
    "approval.refused": approvals.approval_refused,
    "approval.used": approvals.approval_used,
    "approval.ruled": rulings.approval_ruled,
    "view.saved": saved.view_saved,
    "view.removed": saved.view_removed,
    "subject.linked": subjects.subject_linked,
    "subject.unlinked": subjects.subject_unlinked,
    "erase.intended": subjects.erase_intended,
    "erase.completed": subjects.erase_completed,
    "keys.journaled": key_use.keys_journaled,
}
TABLES = (
    "person",
    "token",
    "credential",
    "invitation",
    "session",
    "project",
    "project_member",
    "project_object",
    "approval",
    "ruling",
    "own_policy",
    "subject_link",
    "erasure",
    "key_use",
    "saved_view",
)

__all__ = [
    "MIGRATIONS",
    "PROJECTIONS",
    "TABLES",
    "approvals",
    "credentials",
    "key_use",
    "own_policies",
    "people",
    "projects",
    "rulings",
    "saved",
    "sessions",
    "subjects",
    "tokens",
    "tries",
]
