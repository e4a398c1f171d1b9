"""The function's README says which keys its JSON has, what the record holds, and how a secret may be spelled."""

import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, Final

import pytest

from registry_connections import actions, handler
from registry_connections.aws.account import parse_secret
from registry_connections.core.errors import RegistrationError
from registry_connections.core.model import Connection, Outcome, OutcomeKind
from registry_connections.core.plan import Action, ActionKind, Plan, Scope, Why
from registry_connections.core.record import Applied, Event, Lease, Record, as_json
from registry_connections.core.report import Report, action_result
from registry_connections.core.views import View, failure_view, plan_view, status_view
from tests.docs.tables import ROOT, section
from tests.registry_connections.samples import IDENTITY

FUNCTION: Final = (ROOT / "source" / "registry_connections" / "README.md").read_text(encoding="utf-8")
RECIPES: Final = (ROOT / "source" / "README.md").read_text(encoding="utf-8")
RECORD: Final = Record(
    Applied({}, "digest"),
    {"us-east-1": "id"},
    dirty=True,
    events=(Event("request", 1),),
    lease=Lease("request", 1.0),
    cloud="us-1",
    skipped=("eu-west-1",),
    refused=("us-west-2",),
)
SKIPPED: Final = Outcome("eu-west-1", OutcomeKind.SKIPPED, message="in ExcludedRegions")


def seen() -> View:
    """Return a view with something of each kind in it."""
    here, there = IDENTITY.registry("us-east-1"), IDENTITY.registry("us-east-2")
    todo = Plan((Action(ActionKind.CREATE, here), Action(ActionKind.LEAVE, there, "id", Why.KEPT)))
    return View(IDENTITY, RECORD, Scope((here.region,), (SKIPPED,)), [Connection("id", here.url, "ecr")], todo, "us-1")


def keys(answer: Any, at: str) -> dict[str, set[str]]:
    """Return the keys of every object in an answer, by where it is."""
    found: dict[str, set[str]] = {}
    if isinstance(answer, Mapping):
        found[at] = set(answer)
        for name, value in answer.items():
            found |= keys(value, f"{at}.{name}")
    for item in answer if isinstance(answer, list) else ():
        found |= keys(item, f"{at}[]")
    return found


def test_every_key_of_the_json_is_documented_and_none_is_missing_when_nothing_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = {"plan": plan_view(seen(), read_problem=""), "status": status_view(seen())}
    monkeypatch.setattr(handler, "_services", lambda *_, **__: nullcontext(SimpleNamespace(reconciler=0, deadline=0)))
    monkeypatch.setattr(actions, "view", lambda name, *_: views[name])
    found = keys(action_result("reconcile", Report((SKIPPED,))), "reconcile")
    for name in views:
        found |= keys(handler._act(name, None), name)
        failed = failure_view(name, IDENTITY, RECORD, RegistrationError("no"))
        assert found[name] == {"action", "version", *failed}

    rows = re.findall(r"^\| `([a-z.\[\]]+)` \| (.*) \|$", section(FUNCTION, "json"), re.MULTILINE)
    assert {at: set(re.findall(r"`(\w+)`", names)) for at, names in rows} == found


def test_every_field_of_the_record_is_documented() -> None:
    fields = re.findall(r"^\| `(\w+)` \|", section(FUNCTION, "record"), re.MULTILINE)

    assert set(fields) == set(as_json(RECORD))


def test_every_spelling_of_a_secret_is_read() -> None:
    cells = re.findall(r"^\| (?!What|---)[^|]*\| ([^|.]*)", section(RECIPES, "secret"), re.MULTILINE)
    spellings = [re.findall(r"`(\w+)`", cell) for cell in cells]
    needed = [names[0] for names in spellings[:2]]

    assert len(spellings) == 4
    for number, names in enumerate(spellings):
        for name in names:
            others = [each for each in needed if each not in names]
            read = parse_secret(
                json.dumps(dict.fromkeys([*others, names[0]], "x") | {names[0]: ""} | {name: "it"}), "s"
            )
            assert (read.client_id, read.client_secret, read.cloud, read.member_cid)[number] == "it", name
