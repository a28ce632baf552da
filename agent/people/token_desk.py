"""Programs' tokens: somebody lets a program do a part of what they may, for a while."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from agent.api.asks import Question
from agent.errors import Refused
from agent.people import contact
from agent.people.lending_desk import LendingDesk, check_reach, check_span, in_name_of, refused, role_of
from agent.people.lent import NewTokenView, TokenBody, TokenView
from agent.rights.actions import Action
from agent.rights.book import Issued
from agent.rights.decision import Denied
from agent.rights.grants import Actor, Token
from agent.rights.lending import PROGRAMS, in_group
from agent.rights.local import LOCAL_OWNER
from agent.rights.table import TABLE, Refusal
from agent.rights.target import HOME, Target
from agent.rights.tokens import digest_of, new_secret

LONGEST_NAME: Final = 40
"""Characters."""
MOST_TOKENS: Final = 200
MOST_EACH: Final = 20
"""Of one person."""


class TokenDesk(LendingDesk):
    """What the API asks about tokens. That one may be made or ended at all was asked before: see `asks.py`."""

    async def make(self, body: TokenBody, actor: Actor) -> NewTokenView:
        """Make a token; its secret is in the answer, and nowhere else ever after.

        Raises:
            Refused: `bad_name`, `unknown_person`, `nothing_lent`, `bad_range`, `too_many`, `ordered`, and the codes of
                `check_reach` and `in_name_of`.
            NotPermitted: `programs_may_not`.
        """
        household, at = self._household.current(), self._clock.now()
        person = in_name_of(household, actor, body.person, at)
        role_of(household, person, at)
        name = _label(body.name)
        check_reach(household, body.reach)
        check_span(at, body.end)
        actions = tuple(_scopes(body))
        if not actions:
            hint = f"name what: {', '.join(sorted(PROGRAMS))}"
            raise Refused("nothing_lent", "a program does none of that", hint=hint)
        id_, secret = self._new_id("t"), new_secret(self._random_bytes)
        token = Token(id=id_, person=person, actions=actions, reach=body.reach, start=at, end=body.end)
        await self._disk.run(self._made, token, name, digest_of(secret), at)
        return NewTokenView(token=_view(token, name), secret=secret)

    async def all(self, actor: Actor) -> tuple[TokenView, ...]:
        """One's own; at the box, everybody's."""
        issued = await self._disk.run(self._book.all)
        tokens = [one for one in issued if isinstance(one, Issued)]
        return tuple(_view(one.lent, one.name) for one in tokens if actor in {LOCAL_OWNER, Actor(one.lent.person)})

    async def end(self, id_: str, actor: Actor) -> None:
        """From now on the program may do nothing.

        Raises:
            Refused: `unknown_token`: or it is another's; `held`.
        """
        token = self._household.current().tokens.get(id_)
        if token is None or actor not in {LOCAL_OWNER, Actor(token.person)}:
            raise Refused("unknown_token", f"there is no token {id_}", hint="see `portvakt tokens list`")
        await self._disk.run(self._ended, id_)

    def asks_to_end(self, id_: str, person: str) -> Sequence[Question]:
        """What ending a token asks: one's own, everybody does for themselves."""
        token = self._household.current().tokens.get(id_)
        if token and token.person == person:
            return [Question(Action.OBJECT_OWN, Target(subjects=(person,)))]
        return [Question(Action.MANAGE_GRANTS, HOME)]

    def token_of(self, secret: str) -> Actor | None:
        """As `HouseholdBook.token_of`."""
        return self._household.token_of(secret)

    # -- on the `Disk` thread

    def _made(self, token: Token, name: str, sha256: bytes, at: datetime) -> None:
        known = [one.lent for one in self._book.unreached() if isinstance(one, Issued)]
        if len(known) >= MOST_TOKENS or sum(one.person == token.person for one in known) >= MOST_EACH:
            raise Refused("too_many", "there are too many tokens already", hint="end what is not needed any more")
        self._kept(lambda: self._book.issue(token, name, sha256, at))


def _scopes(body: TokenBody) -> Iterator[Action]:
    """What the program may do: all that is named; of a group, what programs may.

    Raises:
        NotPermitted: `programs_may_not`.
    """
    if not PROGRAMS.issuperset(body.actions):
        raise refused(Denied(Refusal.PROGRAMS_MAY_NOT, TABLE.refusals[Refusal.PROGRAMS_MAY_NOT]))
    named = [*body.actions, *(action for group in body.groups for action in in_group(group))]
    return (action for action in dict.fromkeys(named) if action in PROGRAMS)


def _label(text: str) -> str:
    name = contact.name(text)
    if len(name) > LONGEST_NAME:
        raise Refused("bad_name", f"a program's name has at most {LONGEST_NAME} characters", hint="say it shorter")
    return name


def _view(token: Token, name: str) -> TokenView:
    return TokenView(
        id=token.id,
        person=token.person,
        name=name,
        actions=token.actions,
        reach=token.reach,
        start=token.start,
        end=token.end,
    )
