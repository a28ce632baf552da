"""Bad input in, a clear answer out: bodies are decoded here, and refusals become problem details (RFC 9457)."""

import logging
import re
import traceback
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from agent.api.contract import Wire
from agent.errors import AgentError, NotNow, Refused
from privacy.errors import PrivacyError
from privacy.records import ID_IN_WORDS

T = TypeVar("T")

log = logging.getLogger(__name__)

BODY_LIMIT: Final = 64 * 1024

STATUS: Final = {
    "malformed": HTTPStatus.BAD_REQUEST,
    "foreign_page": HTTPStatus.FORBIDDEN,
    "wrong_credentials": HTTPStatus.UNAUTHORIZED,
    "wrong_code": HTTPStatus.UNAUTHORIZED,
    "wrong_passkey": HTTPStatus.UNAUTHORIZED,
    "cloned_passkey": HTTPStatus.UNAUTHORIZED,
    "second_factor": HTTPStatus.UNAUTHORIZED,
    "needs_presence": HTTPStatus.FORBIDDEN,
    "claimed": HTTPStatus.NOT_FOUND,
    "unknown_session": HTTPStatus.NOT_FOUND,
    "unknown_passkey": HTTPStatus.NOT_FOUND,
    "unknown_path": HTTPStatus.NOT_FOUND,
    "unknown_device": HTTPStatus.NOT_FOUND,
    "unknown_camera": HTTPStatus.NOT_FOUND,
    "unknown_snapshot": HTTPStatus.NOT_FOUND,
    "unknown_receipt": HTTPStatus.NOT_FOUND,
    "unknown_hold": HTTPStatus.NOT_FOUND,
    "unknown_person": HTTPStatus.NOT_FOUND,
    "unknown_entry": HTTPStatus.NOT_FOUND,
    "unknown_grant": HTTPStatus.NOT_FOUND,
    "unknown_token": HTTPStatus.NOT_FOUND,
    "unknown_room": HTTPStatus.NOT_FOUND,
    "unknown_agreement": HTTPStatus.NOT_FOUND,
    "unknown_case": HTTPStatus.NOT_FOUND,
    "unknown_processor": HTTPStatus.NOT_FOUND,
    "unknown_export": HTTPStatus.NOT_FOUND,
    "not_found": HTTPStatus.NOT_FOUND,
    "wrong_method": HTTPStatus.METHOD_NOT_ALLOWED,
    "configured": HTTPStatus.CONFLICT,
    "button_not_pressed": HTTPStatus.CONFLICT,
    "others_ask": HTTPStatus.CONFLICT,
    "no_lan": HTTPStatus.CONFLICT,
    "held": HTTPStatus.CONFLICT,
    "not_ready": HTTPStatus.CONFLICT,
    "export_stopped": HTTPStatus.CONFLICT,
    "disk_short": HTTPStatus.INSUFFICIENT_STORAGE,
    "ordered": HTTPStatus.CONFLICT,
    "not_consent": HTTPStatus.CONFLICT,
    "old_text": HTTPStatus.CONFLICT,
    "ended": HTTPStatus.CONFLICT,
    "already_open": HTTPStatus.CONFLICT,
    "last_way": HTTPStatus.CONFLICT,
    "login_taken": HTTPStatus.CONFLICT,
    "address_taken": HTTPStatus.CONFLICT,
    "known_passkey": HTTPStatus.CONFLICT,
    "unknown_ceremony": HTTPStatus.CONFLICT,
    "has_left": HTTPStatus.CONFLICT,
    "not_left": HTTPStatus.CONFLICT,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "wrong_content_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "foreign_host": HTTPStatus.MISDIRECTED_REQUEST,
    "too_many_guesses": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_listeners": HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_requests": HTTPStatus.TOO_MANY_REQUESTS,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What a code means in HTTP. Any other refusal is of something that was understood, but cannot be: 422."""

_CHALLENGE: Final = 'Bearer realm="portvakt"'
"""How a program says who it is (RFC 9110, section 11.6.1; RFC 6750, section 3). A browser asks nobody for that."""

_CODES: Final = {
    HTTPStatus.NOT_FOUND: ("unknown_path", "nothing is served at this path"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("wrong_method", "this path does not take this method"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", f"a body may have {BODY_LIMIT} bytes"),
}


class NotPermitted(Refused):
    """Who asks may not do it; the code is that of `agent.rights`."""


class NotSignedIn(Refused):
    """Nobody knows who asks. `not_signed_in`, or why a way in did not open."""

    def __init__(
        self, code: str = "not_signed_in", message: str = "nobody is signed in here", *, hint: str = "sign in"
    ) -> None:
        super().__init__(code, message, hint=hint)


class Problem(Wire, frozen=True, kw_only=True):
    """Problem details; `code` is stable, for machines, and `cure` says what a person can do."""

    title: str
    status: int
    code: str
    detail: str
    cure: str = ""


def answer(status: HTTPStatus, code: str, detail: str, cure: str = "") -> web.Response:
    problem = Problem(title=status.phrase, status=status, code=code, detail=detail, cure=cure)
    response = web.Response(status=status, body=msgspec.json.encode(problem), content_type="application/problem+json")
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers[hdrs.WWW_AUTHENTICATE] = _CHALLENGE
    return response


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal on the way into problem details, and a bug too: `bug`, 500, one line in the log."""
    try:
        return await handler(request)
    except Refused as refusal:
        response = answer(_status(refusal), refusal.code, refusal.args[0], refusal.hint)
        if isinstance(refusal, NotNow):
            response.headers[hdrs.RETRY_AFTER] = str(refusal.seconds)
        return response
    except (AgentError, PrivacyError) as error:
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", error.args[0], error.hint)
    except web.HTTPException as refused:
        status = HTTPStatus(refused.status)
        if status not in range(400, 500):
            raise
        code, detail = _CODES.get(status, ("refused", status.phrase))
        response = answer(status, code, detail)
        if allow := refused.headers.get("Allow"):
            response.headers["Allow"] = allow
        return response
    except Exception as bug:  # noqa: BLE001 - nobody is above this handler but aiohttp, which would log the request
        # The message of the exception and the path may hold what somebody sent: kind and places say enough.
        log.error("a bug: %s, answering %s; please report it", _whereabouts(bug), _route(request))  # noqa: TRY400
        if request.writer.output_size and request.transport:
            request.transport.abort()  # an answer is on its way already, and no other fits behind it
        return answer(
            HTTPStatus.INTERNAL_SERVER_ERROR, "bug", "the gateway's own program failed", "its log says where; report it"
        )


def _status(refusal: Refused) -> HTTPStatus:
    if isinstance(refusal, NotPermitted):
        return HTTPStatus.FORBIDDEN
    if isinstance(refusal, NotSignedIn):
        return HTTPStatus.UNAUTHORIZED
    return STATUS.get(refusal.code, HTTPStatus.UNPROCESSABLE_ENTITY)


_MEMBER: Final = re.compile(r"`[a-z_]{1,32}`$")
"""A member that could have been one of ours, misspelled."""


def _in_words(message: str) -> str:
    """What msgspec says of a body, without the pattern (every text with one is an id), and without what was sent."""
    wrong, at, place = message.rpartition(" - at ")
    if not at:
        wrong, place = message, ""
    if "matching regex" in wrong:
        return f"an id has {ID_IN_WORDS}{at}{place}"
    if wrong.startswith("Invalid enum value"):
        return f"it is none of the words that it may be{at}{place}"
    if wrong.startswith("Object contains unknown field") and not _MEMBER.search(wrong):
        return f"there is a member that nobody knows{at}{place}"
    return message


def _whereabouts(bug: BaseException) -> str:
    """`KeyError at routes.py:57 command, house.py:88 command`, of a group one after the other."""
    if isinstance(bug, BaseExceptionGroup):
        return " and ".join(_whereabouts(each) for each in bug.exceptions)
    frames = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(bug.__traceback__)[-6:]]
    return f"{type(bug).__name__} at {', '.join(frames) or 'an unknown place'}"


def _route(request: web.Request) -> str:
    """The method and the pattern that matched, such as `GET /api/devices/{id}`."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else 'an unknown path'}"


async def decode(request: web.Request, kind: type[T]) -> T:
    """Return the body as `kind`.

    Raises:
        Refused: `wrong_content_type`, `too_large`, `malformed` (no JSON) or `invalid` (JSON of another shape).
    """
    # Only a type that no HTML form can send makes the browser ask us first before a foreign page may post here.
    if request.content_type != "application/json":
        raise Refused("wrong_content_type", "the body must be JSON", hint="send Content-Type: application/json")
    body = await request.read()
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused("invalid", _in_words(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("malformed", f"the body is not JSON: {error}") from error
