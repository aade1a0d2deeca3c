"""What goes wrong, as a status, a code and one sentence: the same sentences as the command line's."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from facefeat import errors
from facefeat.errors import FacefeatError, PictureRefused

CODES = {
    "bad_request": "the request is not as the description says",
    "token": "a token is needed, and none or another came",
    "foreign_page": "another site's page asked",
    "foreign_host": "the request was sent to a name that is not this server's",
    "not_found": "there is nothing of that name",
    "method": "the address does not take this method",
    "slow_body": "the body did not arrive in time",
    "exists": "somebody of that name is there already",
    "locked": "another run changes the model",
    "media_type": "the body is said to be something else than a picture",
    "refused": "the model cannot take this change",
    "busy": "too many wait already",
    "stopping": "the server is about to end",
    "late": "the answer took too long",
    "no_space": "the model cannot be written",
    "damaged_model": "the model's file cannot be read",
    "bug": "a bug",
}

_OF_ERRORS: tuple[tuple[type[FacefeatError], int, str], ...] = (
    (errors.UsageError, 400, "bad_request"),
    (errors.InputError, 422, "refused"),
    (errors.LockedError, 409, "locked"),
    (errors.StorageError, 507, "no_space"),
    (errors.FileFormatError, 503, "damaged_model"),
)


class Problem(Exception):
    """An answer that is a refusal.

    Parameters
    ----------
    status : int
    code : str
        One of ``CODES``, or of ``facefeat.data.picture.CODES``; stable from version to version.
    message : str
        One sentence for a person.
    headers : mapping or None
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Say it as JSON."""
        return JSONResponse({"code": self.code, "message": self.message}, self.status, self.headers)


def of(error: FacefeatError) -> Problem:
    """Turn an error that facefeat raises on purpose into an answer.

    Examples
    --------
    >>> of(errors.PictureRefused("damaged", "The picture is cut off.")).status
    422
    >>> of(errors.LockedError("Another run holds it.")).code
    'locked'
    """
    if isinstance(error, PictureRefused):
        return Problem(413 if error.code == "too_many_bytes" else 422, error.code, error.message)
    for kind, status, code in _OF_ERRORS:
        if isinstance(error, kind):
            return Problem(status, code, str(error))
    return bug()


def bug() -> Problem:
    """Build the answer where facefeat has a bug; what it was stands in the server's own output."""
    return Problem(500, "bug", "facefeat has a bug; the server's output says which. Please report it.")
