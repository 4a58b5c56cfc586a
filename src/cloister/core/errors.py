"""Every error Cloister raises on purpose, in one tree.

::

    CloisterError
    ├── UserError              the request cannot be met as asked; nothing changed       exit 2
    │   ├── NotFound           no such lab, record, run, version, subject
    │   ├── Conflict           the name, lab or version exists already, or is in use
    │   ├── BadInput           a file, option or value that cannot be accepted
    │   ├── NoSpace            not enough room; nothing was written
    │   ├── FileChanged        a source file changed while it was read
    │   └── PredictionsDiffer  a converted model does not predict what the original did
    ├── Denied                 policy, retention or the fence refuses                    exit 3
    │   ├── NotAllowed         the actor may not do this
    │   ├── WriteOnce          raw data cannot be changed or deleted before its time
    │   ├── FenceUnavailable   the host cannot give the level of fence that was required
    │   ├── TooManyAttempts    too many logins failed: wait
    │   └── NeedsApproval      a second person has to agree first
    ├── KeysUnavailable        the key service cannot answer                             exit 4
    │   ├── Locked             it runs without its root key: unlock it
    │   ├── WrongPassphrase    the passphrase does not open the key record
    │   ├── KeyMissing         the key record or key store is not where it should be
    │   ├── KeyServiceDown     it does not run or does not answer
    │   └── CopyUnavailable    the second copy of the keys cannot be written; nothing changed
    ├── Erased                 the key was destroyed: the data cannot be read by anyone  exit 5
    ├── IntegrityError         bytes, rows or proofs are not what was signed             exit 6
    │   ├── Tampered           a sealed object, wrap or row fails authentication
    │   ├── LedgerForked       the log is not an extension of a head seen before
    │   ├── LedgerRolledBack   the log is older than a head seen before
    │   ├── NotVerified        a signature, digest or proof does not verify
    │   └── DatabaseDamaged    a database file is not one, or its pages are broken
    ├── DurabilityLost         a write or fsync failed: stop, repair, start again        exit 7
    ├── DatabaseDown           the database server does not answer; nothing was written  exit 9
    └── MachineLost            the machine that a job ran on is gone; the job ended    exit 13
"""

from __future__ import annotations


class CloisterError(Exception):
    """What went wrong, and what to do next; never patient data, secrets or payloads."""

    code = "E000"
    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(CloisterError):
    """The request cannot be met as asked; nothing changed."""

    code = "E100"
    exit_status = 2


class NotFound(UserError):
    """No such lab, record, run, version or subject."""

    code = "E101"


class Conflict(UserError):
    """The name, lab or version exists already, or is in use."""

    code = "E102"


class BadInput(UserError):
    """A file, option or value that cannot be accepted."""

    code = "E103"


class NoSpace(UserError):
    """Not enough room; nothing was written."""

    code = "E104"


class FileChanged(UserError):
    """A source file changed while it was read."""

    code = "E105"


class PredictionsDiffer(UserError):
    """A converted model does not predict what the original did; it was not registered."""

    code = "E106"


class Denied(CloisterError):
    """Policy, retention or the fence refuses."""

    code = "E200"
    exit_status = 3


class NotAllowed(Denied):
    """The actor may not do this."""

    code = "E201"


class WriteOnce(Denied):
    """Raw data cannot be changed or deleted before its retention ends."""

    code = "E202"


class FenceUnavailable(Denied):
    """The host cannot give the level of fence that was required."""

    code = "E203"


class TooManyAttempts(Denied):
    """Too many logins failed for this account or from this address: wait."""

    code = "E204"


class NeedsApproval(Denied):
    """A second person has to agree first; the request is on record, and waits for them."""

    code = "E205"


class KeysUnavailable(CloisterError):
    """The key service cannot answer."""

    code = "E300"
    exit_status = 4


class Locked(KeysUnavailable):
    """The key service runs without its root key."""

    code = "E301"


class WrongPassphrase(KeysUnavailable):
    """The passphrase or recovery code does not open the key record."""

    code = "E302"


class KeyMissing(KeysUnavailable):
    """The key record or key store is not where it should be."""

    code = "E303"


class KeyServiceDown(KeysUnavailable):
    """The key service does not run or does not answer."""

    code = "E304"


class CopyUnavailable(KeysUnavailable):
    """The second copy of the keys cannot be written, so no key was made or destroyed."""

    code = "E305"


class Erased(CloisterError):
    """The key was destroyed: nobody can read this data again."""

    code = "E400"
    exit_status = 5


class IntegrityError(CloisterError):
    """Bytes, rows or proofs are not what was signed."""

    code = "E500"
    exit_status = 6


class Tampered(IntegrityError):
    """A sealed object, key wrap or row fails authentication."""

    code = "E501"


class LedgerForked(IntegrityError):
    """The log is not an extension of a head this client verified before."""

    code = "E502"


class LedgerRolledBack(IntegrityError):
    """The log is older than a head this client verified before."""

    code = "E503"


class NotVerified(IntegrityError):
    """A signature, digest or inclusion proof does not verify."""

    code = "E504"


class DatabaseDamaged(IntegrityError):
    """A database file is not one, or its pages are broken."""

    code = "E505"


class DurabilityLost(CloisterError):
    """A write or fsync failed: the process stops and recovers at its next start."""

    code = "E600"
    exit_status = 7


class DatabaseDown(CloisterError):
    """The database server does not answer, or ended the connection; nothing was written."""

    code = "E700"
    exit_status = 9


class MachineLost(CloisterError):
    """The machine that a job ran on is gone, or the line to it; the job ended with it."""

    code = "E800"
    exit_status = 13
