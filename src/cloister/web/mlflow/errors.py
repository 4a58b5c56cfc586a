"""What went wrong, in MLflow's shape: ``{"error_code": ..., "message": ...}``."""

from __future__ import annotations

import logging

from cloister.core.errors import (
    BadInput,
    CloisterError,
    Conflict,
    Denied,
    DurabilityLost,
    Erased,
    IntegrityError,
    KeysUnavailable,
    NoSpace,
    NotFound,
)
from cloister.web.limits import Spent

_log = logging.getLogger("cloister.web")
STATUS = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "DATA_LOSS": 500,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "RESOURCE_EXHAUSTED": 507,
}
"""MLflow's codes and statuses; 507 where a retry would not help, as MLflow's 429 would make
its clients do for minutes."""
_SPENT = (
    "this job has logged as much as one may: {mib} MiB in all (cloister.toml: [tracking]"
    " job_mib); what was logged before is kept"
)
_CODES: tuple[tuple[type[CloisterError], str], ...] = (
    (NotFound, "RESOURCE_DOES_NOT_EXIST"),
    (Erased, "RESOURCE_DOES_NOT_EXIST"),
    (Conflict, "RESOURCE_ALREADY_EXISTS"),
    (NoSpace, "RESOURCE_EXHAUSTED"),
    (BadInput, "INVALID_PARAMETER_VALUE"),
    (Denied, "PERMISSION_DENIED"),
    (KeysUnavailable, "TEMPORARILY_UNAVAILABLE"),
    (DurabilityLost, "TEMPORARILY_UNAVAILABLE"),
    (IntegrityError, "DATA_LOSS"),
)


class Refusal(Exception):
    """An answer in MLflow's own words; never leaves the server as an exception."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS[code] if status is None else status


def refusal_of(error: Exception) -> Refusal:
    """What a caller is told of ``error``; of a fault of ours, nothing but that it is one."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Spent):
        return Refusal("RESOURCE_EXHAUSTED", _SPENT.format(mib=error.args[0] >> 20))
    if isinstance(error, CloisterError):
        code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
        if code is not None:
            hint = f" ({error.hint})" if error.hint else ""
            return Refusal(code, error.message + hint)
    _log_place(error)
    return Refusal("INTERNAL_ERROR", "internal error")


def _log_place(error: Exception) -> None:
    """Where it happened, never its words, which may quote the request."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "unknown"
    _log.error("unexpected %s at %s", type(error).__name__, where)
