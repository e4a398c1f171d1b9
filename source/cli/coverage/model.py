"""Which registries of an organization Falcon has a connection to: every account by every Region, without any I/O.

What can be known from outside the accounts, and what cannot:

- A connection is taken for ours if its URL is the registry's, compared as the function does, and its alias begins with
  the mark that the function writes. What a stack has recorded is in each account, where this report does not look.
- A Region that has no connection is missing, whatever the reason: one that a service control policy denies, or that
  WithRepositories leaves out, looks the same from outside. The account's own status says why.
- Falcon says that a connection exists, and in which state it is. It does not say that anything was scanned.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, Self

from cli.organization.members import Account
from cli.organization.stack_set import Definition, Instance
from cli.request import listed
from registry_connections.core.model import Connection, Identity, Owner

_ACCOUNT: Final = re.compile(r"(?:https://)?(\d{12})\.", re.IGNORECASE)


class State(StrEnum):
    """What is known of one registry, and its mark in a cell; those first that need attention most."""

    mark: str
    meaning: str
    order: int

    def __new__(cls, name: str, mark: str, meaning: str) -> Self:
        """Return the state of this name."""
        state = str.__new__(cls, name)
        state._value_ = name
        state.mark, state.meaning, state.order = mark, meaning, len(cls.__members__)
        return state

    FAILED = "failed", "F", "The stack of the account failed, and Falcon has no connection"
    BROKEN = "not working", "N", "Falcon has a connection, and gives a state that is not one of a working connection"
    EXPIRED = "expired", "E", "Falcon has a connection, but its credential has expired: nothing is scanned"
    MISSING = "missing", "M", "Falcon has no connection"
    PAUSED = "paused", "P", "Somebody paused the connection in Falcon: nothing is scanned until they resume it"
    ORPHAN = "orphan", "O", "Falcon has a connection of ours to an account that is closed or not in the organization"
    UNMANAGED = "not managed by us", "U", "Falcon has a connection that somebody else made: nobody here repairs it"
    CONNECTED = "connected", "✓", "Falcon has our connection, and gives no sign that it does not work"


HAVE_CONNECTION: Final = frozenset({State.CONNECTED, State.UNMANAGED})
NEED_ATTENTION: Final = frozenset({State.FAILED, State.BROKEN, State.EXPIRED, State.MISSING})
"""The others are as somebody wanted them: a person paused, or made, a connection; or they cover nothing of ours."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that was read, and what the operator says of what could not be."""

    organization: str
    management: str
    """The management account."""
    accounts: Sequence[Account]
    stack_set: str
    definition: Definition
    instances: Sequence[Instance]
    connections: Sequence[Connection]
    cloud: str
    url_suffix: str
    regions: Mapping[str, frozenset[str]]
    """Enabled Regions by account, as far as they could be read."""
    unread: str = ""
    """Why the Regions of some accounts could not be read, nothing if they were."""
    named: frozenset[str] = frozenset()
    """Regions to expect in those accounts; if there are none, all that are seen in Falcon or have a stack."""

    def expected(self, account: str) -> frozenset[str]:
        """Return the Regions in which the account should have a connection, as the stack set says."""
        enabled = self.regions.get(account, self._stand_in) - self._limits["ExcludedRegions"]
        return enabled & self._limits["Regions"] if self._limits["Regions"] else enabled

    @cached_property
    def _stand_in(self) -> frozenset[str]:
        seen = {connection.region for connection in self.connections} - {""}
        return self.named or frozenset(seen | {each.region for each in self.instances})

    @cached_property
    def _limits(self) -> dict[str, frozenset[str]]:
        held = self.definition.parameters
        return {name: frozenset(listed(held.get(name, "").lower())) for name in ("Regions", "ExcludedRegions")}

    def remarks(self) -> list[str]:
        """Return what a reader must know about how this was found out."""
        found = []
        if self.unread:
            unread = len([each for each in self.accounts if each.is_active and each.id not in self.regions])
            seen = "the Regions seen in Falcon, which may be more or fewer"
            found.append(
                f"The enabled Regions of {unread} accounts could not be read ({self.unread} from account:ListRegions), "
                f"so they are compared with {'those named in REGIONS' if self.named else seen}. In the management "
                "account, trusted access for Account Management lets them be read."
            )
        held = self.definition.parameters
        limits = [f"{name}={held[name]}" for name, regions in self._limits.items() if regions]
        if limits:
            found.append(f"The stack set is limited by {' and '.join(limits)}.")
        if held.get("RegionScope") == "WithRepositories":
            found.append("RegionScope=WithRepositories: a Region without a repository gets none, and is missing here.")
        return found


@dataclass(frozen=True, slots=True)
class Cell:
    """One registry."""

    state: State
    reason: str = ""
    detail: str = ""
    """What is true of this registry alone."""


@dataclass(frozen=True)
class Row:
    """One account; Regions that it has not enabled, or that are left out, have no cell."""

    account: str
    name: str
    cells: Mapping[str, Cell]
    note: str = ""
    """What is particular about the account, and how its stack is."""
    version: str = ""
    """Of the package that its stack runs, as far as the stack set shows."""

    @cached_property
    def worst(self) -> State:
        """The state that needs attention most."""
        states = {cell.state for cell in self.cells.values()}
        return next((state for state in State if state in states), State.CONNECTED)


@dataclass(frozen=True, slots=True)
class Finding:
    """Registries that need attention for the same reason."""

    state: State
    reason: str
    registries: int
    accounts: tuple[tuple[str, str], ...]
    """Number and name of each, those with most of these registries first."""


@dataclass(frozen=True)
class Coverage:
    """The whole picture."""

    rows: Sequence[Row]
    foreign: int = 0
    """Connections to ECR registries of accounts outside the organization that are not ours."""

    @cached_property
    def totals(self) -> Counter[State]:
        """How many registries are in each state."""
        return Counter(cell.state for row in self.rows for cell in row.cells.values())

    @property
    def expected(self) -> int:
        """How many registries should have a connection."""
        return sum(self.totals[state] for state in State if state != State.ORPHAN)

    @property
    def connected(self) -> int:
        """How many of them have one that is not known to be broken."""
        return sum(self.totals[state] for state in HAVE_CONNECTION)

    @property
    def attention(self) -> int:
        """How many accounts need attention."""
        return sum(row.worst in NEED_ATTENTION for row in self.rows)

    def findings(self) -> list[Finding]:
        """Return what is not simply connected, the worst and the largest first."""
        grouped: dict[tuple[State, str], Counter[tuple[str, str]]] = defaultdict(Counter)
        for row in self.rows:
            for cell in row.cells.values():
                if cell.state != State.CONNECTED:
                    grouped[cell.state, cell.reason][row.account, row.name] += 1
        found = [
            Finding(state, reason, accounts.total(), tuple(account for account, _ in accounts.most_common()))
            for (state, reason), accounts in grouped.items()
        ]
        return sorted(found, key=lambda each: (each.state.order, -each.registries, each.reason))


def cover(facts: Facts) -> Coverage:
    """Return what is known of every registry of the accounts."""
    by_account: dict[str, list[Connection]] = defaultdict(list)
    for connection in facts.connections:
        if owner := _owner(connection, facts):
            by_account[owner].append(connection)
    stacks = {each.account: each for each in facts.instances}
    rows = [_row(each, stacks.get(each.id), by_account.pop(each.id, []), facts) for each in facts.accounts]
    gone = "the account is not in the organization: closed for long, removed, or of another organization"
    foreign = 0
    for number, others in by_account.items():
        ours = [each.region for each in others if _is_ours(each, number, facts)]
        foreign += len(others) - len(ours)
        if ours:
            rows.append(Row(number, "", dict.fromkeys(ours, Cell(State.ORPHAN, gone)), "not in the organization"))
    return Coverage(sorted(rows, key=lambda row: (row.worst.order, row.account)), foreign)


def _owner(connection: Connection, facts: Facts) -> str:
    """Return the account whose ECR registry this is a connection of, nothing if it is another kind of registry."""
    named = _ACCOUNT.match(connection.url)
    return named[1] if named and connection.belongs_to(named[1], facts.url_suffix) else ""


def _row(account: Account, stack: Instance | None, connections: list[Connection], facts: Facts) -> Row:
    if not account.is_active:
        reason = f"the account is closed ({account.status})"
        return Row(account.id, account.name, {each.region: Cell(State.ORPHAN, reason) for each in connections}, reason)
    found: dict[str, list[Connection]] = defaultdict(list)
    for connection in connections:
        found[connection.region].append(connection)
    note, lacking = _without(account, stack, facts)
    regions = sorted(facts.expected(account.id) | found.keys())
    cells = {region: _cell(account.id, stack, found.get(region, []), lacking, facts) for region in regions}
    version = facts.definition.version if stack and stack.is_current else ""
    return Row(account.id, account.name, cells, note, version)


def _cell(account: str, stack: Instance | None, connections: list[Connection], lacking: Cell, facts: Facts) -> Cell:
    """Return what is known of one registry; of several connections to it one that works counts, and ours."""
    if not connections:
        return lacking

    def rank(connection: Connection) -> tuple[int, bool]:
        return -_state(connection).order, not _is_ours(connection, account, facts, stack)

    best = min(connections, key=rank)
    ours = _is_ours(best, account, facts, stack)
    whose = "" if ours else f", made by somebody else{_whose(best)}"
    state = _state(best)
    if state == State.EXPIRED:
        return Cell(state, f"the credential has expired{whose}", f"since {best.expired_at}" if best.expired_at else "")
    if state != State.CONNECTED:
        return Cell(state, f"Falcon gives its state as {best.state}{whose}")
    return Cell(state) if ours else Cell(State.UNMANAGED, f"made by somebody else{_whose(best)}")


def _state(connection: Connection) -> State:
    if connection.expired:
        return State.EXPIRED
    if connection.is_paused:
        return State.PAUSED
    return State.BROKEN if connection.problem else State.CONNECTED


def _whose(connection: Connection) -> str:
    return f" (alias {connection.alias})" if connection.alias else " (without an alias)"


def _is_ours(connection: Connection, account: str, facts: Facts, stack: Instance | None = None) -> bool:
    """Tell whether the alias carries the mark of the account's stack, or of any if its stack is not known."""
    identity = Identity(account, "", facts.url_suffix, stack.stack if stack else "", "", "")
    others = {Owner.NOBODY, Owner.OTHER_STACK} if identity.stack_id else {Owner.NOBODY}
    return identity.owner(connection.alias) not in others and connection.is_for(identity.registry(connection.region))


def _without(account: Account, stack: Instance | None, facts: Facts) -> tuple[str, Cell]:
    """Return the note on an account, and what it means that it has no connection in a Region."""
    management = account.id == facts.management
    note = "management account" if management else "no stack" if stack is None else ""
    if stack is None and management:
        return note, Cell(State.MISSING, "the management account: stack sets never reach it, see INCLUDE_MANAGEMENT=1")
    if stack is None:
        return note, Cell(State.MISSING, "the account has no stack: it is in none of the stack set's units")
    if stack.is_current:
        return note, Cell(State.MISSING, "the stack is complete: the account's own status says why")
    why = stack.reason or f"the stack is {stack.status} ({stack.detail or 'no detail'})"
    return note or f"stack {stack.status}: {stack.reason or stack.detail}", Cell(State.FAILED, why)
