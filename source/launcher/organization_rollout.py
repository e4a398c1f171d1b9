"""What is still to be done until a stack set covers its accounts, and doing it: a second run goes on with the first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from launcher.errors import LauncherError
from launcher.organization_aws import error_code
from launcher.organization_progress import follow
from launcher.organization_stack_set import Definition, Instance, StackSet
from launcher.request import CREDENTIALS

if TYPE_CHECKING:
    from rich.console import Console

DESCRIPTION = "Registers the Amazon ECR registries of every account with CrowdStrike Falcon"


@dataclass
class Rollout:
    """A stack set on its way to `accounts`, which are those below `units`."""

    stack_set: StackSet
    region: str
    units: Sequence[str]
    accounts: Sequence[str]
    shown: "Console"
    _tried: set[str] = field(default_factory=set)
    """Accounts that this run has deployed to, so that none is tried twice."""

    def define(self, template_url: str, template: str, parameters: Mapping[str, str], accepted: Sequence[str]) -> None:
        """Create the stack set, or update it and all its stacks if anything is new. Raises LauncherError."""
        self.settle()
        before = self.stack_set.now()
        if before is None:
            self.stack_set.create(template_url, parameters, DESCRIPTION)
            self.shown.print(f"the stack set {self.stack_set.name} is created")
            return
        self._require_one_region()
        if not (news := _news(before, template, parameters)):
            self.shown.print(f"the stack set {self.stack_set.name} is as it should be already")
            return
        self.shown.print(f"the stack set {self.stack_set.name} changes: {', '.join(news)}")
        kept = sorted((before.parameters.keys() & set(accepted)) - parameters.keys())
        expected = self.stack_set.instances()
        self._do(lambda: self.stack_set.update(template_url, parameters, kept), "Updating", len(expected))
        self._tried |= {each.account for each in expected}

    def reach(self) -> dict[str, str]:
        """Deploy to every account that lacks its stack, try those again that failed, and return who fails now."""
        before = self.stack_set.now()
        known = (before.units if before else frozenset()) & set(self.units)
        if new := [unit for unit in self.units if unit not in known]:
            have = {each.account for each in self._instances()}
            count = len(set(self.accounts) - have)
            self._do(lambda: self.stack_set.add(new, self.region), "Deploying", count)
            self._tried |= set(self.accounts) - have
        have = {each.account for each in self._instances()}
        if missing := sorted(set(self.accounts) - have - self._tried):
            self._do(lambda: self.stack_set.add(self.units, self.region, missing), "Deploying", len(missing))
            self._tried |= set(missing)
        stale = [each.account for each in self._instances() if not each.is_current]
        if again := sorted((set(stale) & set(self.accounts)) - self._tried):
            self._do(lambda: self.stack_set.repeat(self.units, self.region, again), "Trying again", len(again))
        return self._failures()

    def settle(self) -> None:
        """Wait for what somebody, perhaps an earlier run of this, has begun."""
        if self.stack_set.now():
            for operation in self.stack_set.operations_under_way():
                follow(self.stack_set, operation, "Waiting for an operation that is under way", self.shown)

    def _do(self, begin: Callable[[], str], title: str, expected: int) -> None:
        """Begin an operation and see it through; where another one came first, wait for that."""
        while True:
            try:
                operation = begin()
            except ClientError as error:
                if error_code(error) != "OperationInProgressException":
                    raise
                self.settle()
            else:
                follow(self.stack_set, operation, title, self.shown, expected)
                return

    def _instances(self) -> list[Instance]:
        return [each for each in self.stack_set.instances() if each.region == self.region]

    def _failures(self) -> dict[str, str]:
        """Return the accounts that lack a stack as the stack set says, each with the reason."""
        instances = {each.account: each for each in self._instances()}
        failed = {account: each.reason for account, each in instances.items() if not each.is_current}
        absent = dict.fromkeys(self.accounts, "It got no stack: see the stack set's operations.")
        return failed | {account: reason for account, reason in absent.items() if account not in instances}

    def _require_one_region(self) -> None:
        elsewhere = sorted({each.region for each in self.stack_set.instances()} - {self.region})
        if elsewhere:
            raise LauncherError(
                f"the stack set {self.stack_set.name} deploys to {', '.join(elsewhere)}, not {self.region}. One Region "
                f"covers all others, and a second would register everything twice. Use REGION={elsewhere[0]}."
            )


def _news(before: Definition, template: str, parameters: Mapping[str, str]) -> list[str]:
    """Return what differs from the stack set as it is.

    CloudFormation never shows a secret parameter, so that one that is given counts as new.
    """
    news = [] if before.template.strip() == template.strip() else ["the template"]
    secret = set(CREDENTIALS.values())
    if secret & parameters.keys():
        news.append(f"the credentials, which are never shown (unset {' and '.join(CREDENTIALS)} if they are the same)")
    news += [name for name in sorted(parameters.keys() - secret) if before.parameters.get(name) != parameters[name]]
    if not (before.auto_deployment and before.managed_execution):
        news.append("new accounts are covered by themselves")
    return news
