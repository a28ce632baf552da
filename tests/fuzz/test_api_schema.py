"""The API does what its document says, whoever asks: schemathesis against a real agent, with a real session of each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from schemathesis import AuthContext, Case, CheckContext, HookContext, Response
from schemathesis.engine import events, from_schema

from tests.fuzz.inhabited import EVERYBODY, NOBODY, Inhabited, inhabited

SEED: Final = 20_261
OF_FORM: Final = {"malformed", "invalid", "wrong_content_type", "too_large"}
"""The codes of what is of another form than the document says."""


def config(origin: str, who: str, examples: int, *, thorough: bool) -> dict[str, Any]:
    """How much is tried, and what counts as wrong: all that schemathesis knows of."""
    # What has the right form can still not be: a person that nobody is, an end before the beginning, a name of spaces.
    # That it is not refused for its form sees `refused_for_its_form_alone` to.
    can_be_said = ["2xx", "401", "403", "404", "409", "422", "429", "503"]
    return {
        "seed": SEED,
        "headers": {"Origin": origin},
        "generation": {"deterministic": True, "max-examples": examples},
        "phases": {"coverage": {"enabled": thorough}, "stateful": {"enabled": thorough}},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": can_be_said},
            # Whether a route asks who comes does not depend on who comes: it is tried as the one who may do the most.
            # All these requests of nobody would come from one address, which may not ask that much.
            "ignored_auth": {"enabled": who == "owner"},
            # 503 is said in the document: too many sign in at once. A bug is a 500.
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
        },
        # OpenAPI has no words for the handshake of a WebSocket, so that no request of it can be made from the document.
        "operations": [{"include-name": "GET /api/ws", "checks": {"positive_data_acceptance": {"enabled": False}}}],
    }


@schemathesis.check
def refused_for_its_form_alone(_context: CheckContext, response: Response, case: Case) -> None:
    """What is of the form that the document says is not refused for it."""
    of_right_form = case.meta is not None and case.meta.generation.mode.is_positive
    # To JSON Schema 1.0 is an integer, and it has no words for one that is written as such; the description has.
    if response.status_code == 422 and response.json()["detail"].startswith("Expected `int`, got `float`"):
        return
    if of_right_form and 400 <= response.status_code < 500 and case.operation.path != "/api/ws":
        assert response.json()["code"] not in OF_FORM, response.text


def found(house: Inhabited, who: str, examples: int, *, thorough: bool = False) -> list[str]:
    """What schemathesis finds, asking as `who`."""
    document = json.loads(house.ask("GET", "/api/openapi.json").said)
    made = schemathesis.Config.from_dict(config(house.address, who, examples, thorough=thorough))
    schema = schemathesis.openapi.from_dict(document, config=made)
    schema.config.update(base_url=house.address)

    if who != NOBODY:
        _sign_in(schema, house, who)
    return [*_told(from_schema(schema).execute())]


def _sign_in(schema: Any, house: Inhabited, who: str) -> None:
    """Have each request come from `who`; in another session where the one before has ended."""
    shown: dict[str, str] = {}

    @schema.auth(refresh_interval=None)
    class Session:
        def get(self, _case: Case, _context: AuthContext) -> dict[str, str]:
            if not shown:
                shown.update(house.credentials(who))
            return shown

        def set(self, case: Case, data: dict[str, str], _context: AuthContext) -> None:
            case.headers.update(data)

    @schema.hook
    def after_call(_context: HookContext, _case: Case, response: Response) -> None:
        came_from_them = shown.items() <= response.request.headers.items()
        if response.status_code == 401 and came_from_them and response.json()["code"] == "not_signed_in":
            shown.clear()


def _told(stream: Any) -> Iterator[str]:
    answers = 0
    for event in stream:
        match event:
            case events.ScenarioFinished():
                answers += len(event.recorder.interactions)
                for checks in event.recorder.checks.values():
                    for check in checks:
                        if failed := check.failure_info:
                            why = f"{failed.failure.title}: {failed.failure.message}"
                            yield f"{event.label}: {check.name}: {why}\n  {failed.code_sample}"
            case events.NonFatalError():
                yield f"{event.label}: {event.value!r}"
            case events.FatalError():
                raise event.exception
    assert answers > 100, "hardly anything was asked"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Inhabited]:
    """One of its own for each, so that what is found is found again."""
    with inhabited(tmp_path) as made:
        yield made


@pytest.mark.parametrize("who", EVERYBODY)
def test_everybody_is_answered_as_the_document_says(house: Inhabited, who: str) -> None:
    assert not found(house, who, examples=2)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("who", EVERYBODY)
def test_whatever_they_ask(house: Inhabited, who: str) -> None:
    """And at every edge of what can be said, and in sequences of requests that belong together."""
    assert not found(house, who, examples=20, thorough=True)
