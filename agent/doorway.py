"""The people's side of the house, put together: who they are, how they get in, what they may do, who is told of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

from agent.activity.desk import ActivityDesk
from agent.api.activity_routes import ActivityRoutes
from agent.api.consent_routes import consent_routes
from agent.api.contract import InventoryRow
from agent.api.door import Door
from agent.api.identify import Identify
from agent.api.permission import Caller, Permission
from agent.api.processing_routes import ProcessingRoutes
from agent.api.rights_routes import RightsRoutes
from agent.api.signin_routes import SignInRoutes
from agent.api.subject_routes import SubjectRoutes
from agent.api.support_routes import support_routes
from agent.consent.desk import ConsentDesk, Erase
from agent.consent.gates import Gates
from agent.deeds import Deeds
from agent.lan.lan import Lan
from agent.lan.routes import trust_routes
from agent.lan.trust import TrustDesk
from agent.people.desk import PeopleDesk
from agent.people.grant_desk import GrantDesk
from agent.people.household import Assigned, HouseholdBook, cameras_of
from agent.people.token_desk import TokenDesk
from agent.processing.contract import RecordOfProcessing
from agent.processing.desk import RegistersDesk
from agent.processing.record import Running, record_of_processing
from agent.rights.agreements import Agreements
from agent.rights.household import Household
from agent.rights.local import local_household
from agent.signin.brake import Brake
from agent.signin.button import Button
from agent.signin.ceremonies import Ceremonies
from agent.signin.claim import Claim
from agent.signin.desk import SignInDesk
from agent.signin.parts import Parts
from agent.signin.passkeys import Passkeys
from agent.signin.passwords import PasswordQueue, Passwords
from agent.signin.sessions import Sessions
from agent.storage import Storage
from agent.subject_rights.claims_desk import ClaimsDesk, Place
from agent.subject_rights.export_desk import ExportDesk
from agent.subject_rights.others import KnownPeople
from agent.supervisor import Service, Supervisor
from agent.support.desk import SupportDesk
from agent.timewatch import CertainClock
from privacy.clock import Clock
from privacy.consent_text import texts
from privacy.entries import Entry
from privacy.errors import StoreBroken
from privacy.export import Source
from privacy.exports import Language
from privacy.hold import Role
from privacy.records import Item, RecordClass
from privacy.store import Disk


class Doorway:
    """Made once by the composition root, before anybody is served; then `open`, `start`, and `door` for the server."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part by name
        self,
        *,
        gateway: str,
        audience: str,
        storage: Storage,
        cameras: Sequence[Assigned],
        gates: Gates,
        lan: Lan | None,
        address: Callable[[], str],
        runs: Running,
        erase: Erase,
        hold: Place,
        version: str,
        supervisor: Supervisor,
        disk: Disk,
        clock: Clock,
        record: Callable[[Entry], None],
    ) -> None:
        """`cameras` are the configured ones; `address` is that of the page, as people reach it; `runs`, what runs."""
        random_bytes = storage.keys.random_bytes
        self._storage = storage
        self._disk = disk
        self._clock = clock
        self._certain = certain = CertainClock(storage.time, clock)
        self._book = book = HouseholdBook(
            register=storage.people,
            book=storage.grants,
            cameras=lambda: cameras_of(cameras, storage.ring, clock.now()),
            clock=certain,
            support=lambda: storage.support.sessions(clock.now()),
        )
        self.people = PeopleDesk(
            register=storage.people,
            disk=disk,
            clock=clock,
            random_bytes=random_bytes,
            record=record,
            on_change=self._people_changed,
        )
        self._grants = GrantDesk(book=storage.grants, household=book, disk=disk, clock=clock, random_bytes=random_bytes)
        self._support = SupportDesk(
            cases=storage.support,
            household=book,
            grants=self._grants,
            disk=disk,
            clock=clock,
            age=storage.time.age,
            random_bytes=random_bytes,
            record=record,
        )
        tokens = TokenDesk(book=storage.grants, household=book, disk=disk, clock=clock, random_bytes=random_bytes)
        self._agreements = Agreements(book.current, clock, random_bytes)
        activity = ActivityDesk(
            activity=storage.activity,
            disk=disk,
            clock=clock,
            key=storage.receipt_key,
            issuer=audience,
            names=lambda: {person.id: person.name for person in storage.people.all()},
        )
        button = Button(clock)
        self._deeds = Deeds(
            activity=activity,
            agreements=self._agreements,
            household=book.current,
            button=button,
            clock=clock,
            acted=self._support.acted,
        )
        self._sessions = Sessions(storage.sessions, disk, clock, random_bytes, certain)
        passwords = Passwords(random_bytes)
        self._passwords = PasswordQueue(passwords)
        self._signin = SignInDesk(
            Parts(
                gateway=gateway,
                credentials=storage.credentials,
                sessions=self._sessions,
                people=storage.people,
                add_person=self.people.add,
                household=book.current,
                claim=Claim(storage.ring, random_bytes),
                button=button,
                passwords=passwords,
                queue=self._passwords,
                brake=Brake(clock),
                passkeys=Passkeys(Ceremonies(clock, random_bytes)),
                disk=disk,
                clock=clock,
                certain=certain,
                random_bytes=random_bytes,
                record=record,
                note=self._deeds.happened,
                address=address,
            )
        )
        self._consent = ConsentDesk(
            store=storage.consents,
            register=storage.people,
            gates=gates,
            texts=texts(storage.policies),
            policies=storage.policies,
            erase=erase,
            disk=disk,
            clock=clock,
            age=storage.time.age,
            record=record,
        )
        self._exports = ExportDesk(
            exports=storage.exports,
            source=Source(
                stores=lambda: storage.stores,
                policies=storage.policies,
                barrier=storage.barrier,
                held=storage.holds.held,
                others=KnownPeople(storage.people, storage.credentials),
                gateway=gateway,
                software=version,
            ),
            language=self._language,
            disk=disk,
            clock=clock,
            random_bytes=random_bytes,
            record=record,
        )
        self._claims = ClaimsDesk(
            place=hold,
            withdraw=self._consent.withdraw,
            erase=erase,
            policies=storage.policies,
            household=book.current,
            note=activity.note_if_possible,
            clock=clock,
            record=record,
        )
        self._trust = (
            TrustDesk(lan, disk=disk, supervisor=supervisor, clock=clock, random_bytes=random_bytes) if lan else None
        )
        self._runs = runs
        self._registers = RegistersDesk(
            register=storage.disclosures,
            limit=storage.policies[RecordClass.DISCLOSURE].limit or timedelta.max,
            household=book,
            holds=storage.holds.history,
            disk=disk,
            clock=clock,
            random_bytes=random_bytes,
        )
        self._activity = activity
        self._rights = RightsRoutes(grants=self._grants, tokens=tokens, agreements=self._agreements)

    async def open(self) -> None:
        """Read who there is, before anybody is served.

        Raises:
            StoreBroken: it cannot be read.
        """
        await self._disk.run(self._book.refresh)
        await self._support.settle()
        await self._sessions.load()
        await self._consent.refresh()

    def door(
        self, cameras: Callable[[], Iterable[str]], inventory: Callable[[], Awaitable[Iterable[InventoryRow]]]
    ) -> Door:
        """What the server needs; `cameras` are those that the hand at the box may look at, `inventory` what is kept."""

        def household(caller: Caller) -> Household:
            return local_household(tuple(cameras())) if caller.local else self._book.current()

        async def processing() -> RecordOfProcessing:
            return record_of_processing(
                self._runs,
                at=self._clock.now(),
                kept=await inventory(),
                agreements=await self._registers.agreements(),
                disclosed=await self._registers.disclosed_to(),
            )

        permission = Permission(household, self._certain)
        signin = SignInRoutes(self._signin)
        return Door(
            identify=Identify(
                sessions=self._sessions,
                household=self._book.current,
                admitted=self._admitted,
                token_of=self._book.token_of,
                clock=self._clock,
            ),
            claimed=self._signin.claimed,
            permission=permission,
            witness=self._deeds,
            follow_ends=self._sessions.follow_ends,
            ends=self._rights.ends(),
            routes=(
                *signin.shared_table(),
                *self._rights.table(),
                *consent_routes(self._consent),
                *SubjectRoutes(self._exports, self._claims).table(),
                *ActivityRoutes(self._activity, permission).table(),
                *support_routes(self._support, permission),
                *ProcessingRoutes(self._registers, permission, processing).table(),
            ),
            network_routes=(*signin.table(), *self._rights.own()),
            local_routes=(*signin.socket_table(), *trust_routes(self._trust)),
        )

    def start(self, supervisor: Supervisor) -> None:
        """What runs for long."""
        age = self._storage.time.age
        start = supervisor.start
        start(Service("sign-in", self._signin.run, (StoreBroken,)))
        start(Service("sessions", self._sessions.run, (StoreBroken,)))
        start(Service("people expiry", lambda: self.people.keep_limit(age), (StoreBroken,)))
        start(Service("grants expiry", lambda: self._grants.keep_limit(age, self._certain.now), (StoreBroken,)))
        start(Service("support", self._support.run, (StoreBroken,)))
        start(Service("registers", self._registers.run, (StoreBroken,)))
        start(Service("consent", self._consent.run, (StoreBroken,)))
        start(Service("exports", self._exports.run, (StoreBroken,)))
        start(Service("activity log", self._activity.keep_limit, (StoreBroken,)))

    def refresh(self) -> None:
        """Read again who there is. On the `Disk` thread."""
        self._book.refresh()

    async def prepare(self) -> None:
        """Something is about to be erased: what an order takes with a person's consent is not collected any more."""
        await self._consent.refresh()

    def _people_changed(self) -> None:
        """On the `Disk` thread."""
        self._book.refresh()
        self._consent.people_changed()

    def close(self) -> None:
        """Nobody signs in any more."""
        self._passwords.close()

    async def look_again(self) -> None:
        """Who there is, or what is kept of them, has changed: whoever is not what they were is signed out."""
        try:
            await self._disk.run(self._book.refresh)
        finally:
            await self._signin.expel()
        await self._signin.settle()
        await self._consent.refresh()
        await self._support.settle()

    async def can_sign_in(self, person: str) -> bool:
        """As `contract.House.can_sign_in`; who is signed in somewhere counts as well, with a way of their own or not.

        Else whoever may invite could make themselves a link for them.
        """
        return bool(self._sessions.of(person)) or await self._signin.links.can_sign_in(person)

    def role_of(self, person: str) -> Role | None:
        """What somebody is to the home; of the hand at the box: an owner."""
        return self._deeds.role_of(person)

    def _language(self, person: str) -> Language:
        """What a person reads. On the `Disk` thread."""
        known = (one.language for one in self._storage.people.unreached() if one.id == person)
        return next((language.value for language in known), "nb")

    def _admitted(self, person: str) -> bool:
        """Whether no order to erase reaches `person`."""
        known = self._book.current().people.get(person)
        if known is None:
            return False
        item = Item(person, RecordClass.PERSON, known.memberships[0].since, subjects=frozenset({person}))
        return self._storage.barrier.admits(item)
