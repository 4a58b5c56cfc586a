"""Names of things: random, typed, free of meaning, safe in a log that outlives a patient."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import ClassVar, Self

from cloister.core.errors import BadInput

Randomness = Callable[[int], bytes]
"""Gives that many bytes; ``secrets.token_bytes`` in production, seeded in tests."""

_BODY = re.compile(r"[a-z2-7]{16,32}")


class Id(str):
    """``prefix_`` + base32 of random bytes; equal to its text, so JSON and SQL take it."""

    __slots__ = ()
    prefix: ClassVar[str] = ""
    entropy_bytes: ClassVar[int] = 10

    @classmethod
    def new(cls, randomness: Randomness) -> Self:
        """A fresh id; 80 bits keep collisions away for a billion of a kind."""
        raw = base64.b32encode(randomness(cls.entropy_bytes)).decode().rstrip("=").lower()
        return cls(f"{cls.prefix}_{raw}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The id in ``text``; raises BadInput when it is of another kind or malformed."""
        prefix, _, body = text.partition("_")
        if prefix != cls.prefix or not _BODY.fullmatch(body):
            raise BadInput(f"not a {cls.__name__}: expected {cls.prefix}_ and base32 letters")
        return cls(text)


class KeyId(Id):
    """Whatever owns a key in the key service: a subject, a run, a collection."""

    __slots__ = ()
    prefix = "key"


class SubjectId(KeyId):
    """One (issuer, local id) pair, known to ledger and tables by this random name only."""

    __slots__ = ()
    prefix = "sub"


class CollectionId(KeyId):
    """Owner of what belongs to many subjects of one dataset: layouts and source paths."""

    __slots__ = ()
    prefix = "col"


class RunId(KeyId):
    """One execution of a user's command; its logs and outputs are sealed under its own key."""

    __slots__ = ()
    prefix = "run"


class LabId(Id):
    """One lab: a store, a ledger and a key service."""

    __slots__ = ()
    prefix = "lab"


class RecordId(Id):
    """One file, or one subject's rows of a table, as it was added."""

    __slots__ = ()
    prefix = "rec"


class LabelId(Id):
    """One reading of one record by one reader."""

    __slots__ = ()
    prefix = "lbl"


class BatchId(Id):
    """One `add`: the records it brought become visible together, as a version."""

    __slots__ = ()
    prefix = "bat"


class PersonId(Id):
    """A member of the team."""

    __slots__ = ()
    prefix = "per"


class TokenId(Id):
    """A secret that stands for a member until it expires; the id is not the secret."""

    __slots__ = ()
    prefix = "tok"


class SessionId(Id):
    """One login in a browser, until it ends."""

    __slots__ = ()
    prefix = "ses"


class CredentialId(Id):
    """One way in which a member shows who they are: a password, a passkey..."""

    __slots__ = ()
    prefix = "cre"


class ProjectId(Id):
    """What some members work on, and others do not see."""

    __slots__ = ()
    prefix = "prj"


class ApprovalId(Id):
    """One grave action that waits for, or has, the consent of a second person."""

    __slots__ = ()
    prefix = "apr"


class OperationId(Id):
    """Work no transaction spans: bracketed in the ledger by its beginning and its end."""

    __slots__ = ()
    prefix = "op"


class UploadId(Id):
    """Files on their way in through a browser, until they are a dataset's or go away."""

    __slots__ = ()
    prefix = "upl"


class DeploymentId(Id):
    """One model answering at one address, from start to stop."""

    __slots__ = ()
    prefix = "dep"


class FlowId(Id):
    """One run of a pipeline: many runs of tasks."""

    __slots__ = ()
    prefix = "flo"


class SweepId(Id):
    """One search for good parameters: many runs of one command."""

    __slots__ = ()
    prefix = "swp"


class TargetId(Id):
    """One place that backups of the lab go to."""

    __slots__ = ()
    prefix = "tgt"


KEY_KINDS: tuple[type[KeyId], ...] = (SubjectId, CollectionId, RunId)


def key_id(text: str) -> KeyId:
    """``text`` as the kind of key owner its prefix names; raises BadInput for any other."""
    for kind in KEY_KINDS:
        if text.startswith(kind.prefix + "_"):
            return kind.parse(text)
    raise BadInput("not a key owner: expected sub_, run_ or col_")
