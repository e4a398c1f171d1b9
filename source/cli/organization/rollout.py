"""What is still to be done until a stack set covers its accounts, and doing it: a second run goes on with the first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from cli.aws import error_code
from cli.credentials import PARAMETERS
from cli.errors import CliError
from cli.organization.progress import follow
from cli.organization.stack_set import Definition, Instance, StackSet
from cli.screen import Screen

DESCRIPTION = "Registers the Amazon ECR registries of every account with CrowdStrike Falcon"


@dataclass
class Rollout:
    """A stack set on its way to `accounts`, which are those below `units`."""

    stack_set: StackSet
    region: str
    units: Sequence[str]
    accounts: Sequence[str]
    screen: Screen
    _tried: set[str] = field(default_factory=set)
    """Accounts that this run has deployed to, so that none is tried twice in the same way."""

    def define(
        self,
        template_url: str,
        template: str,
        parameters: Mapping[str, str],
        accepted: frozenset[str],
        tags: Mapping[str, str],
    ) -> None:
        """Create the stack set, or update it and all its stacks if anything is new. Raises CliError."""
        name = self.stack_set.name
        before = self.stack_set.now()
        if before is None:
            self.stack_set.create(template_url, parameters, DESCRIPTION, tags)
            self.screen.say(f"the stack set {name} is created")
            return
        self._require_one_region()
        if not (news := _news(before, template, parameters, tags)):
            self.screen.say(f"the stack set {name} is as it should be already")
            return
        self.screen.say(f"the stack set {name} changes: {', '.join(news)}")
        kept = (before.parameters.keys() & accepted) - parameters.keys()
        expected = self.stack_set.instances()
        self.run(lambda: self.stack_set.update(template_url, parameters, kept, tags), "Updating", len(expected))
        self._tried |= {each.account for each in expected}

    def reach(self) -> dict[str, str]:
        """Deploy to every account that lacks its stack, try those again that failed, and return who fails now."""
        before = self.stack_set.now()
        known = (before.units if before else frozenset()) & set(self.units)
        if new := [unit for unit in self.units if unit not in known]:
            have = {each.account for each in self._instances()}
            count = len(set(self.accounts) - have)
            self.run(lambda: self.stack_set.add(new, self.region), "Deploying", count)
            self._tried |= set(self.accounts) - have
        have = {each.account for each in self._instances()}
        if missing := sorted(set(self.accounts) - have - self._tried):
            self._create(missing, "Deploying")
            self._tried |= set(missing)
        if again := sorted(set(self._stale()) - self._tried):
            repeat = self.stack_set.repeat
            self.run(lambda: repeat(self.units, self.region, again), "Trying again", len(again))
            # What an update could not mend, such as a stack that was deleted by hand, is created.
            if left := sorted(set(self._stale()) & set(again)):
                self._create(left, "Creating again")
        return self._failures()

    def settle(self) -> None:
        """Wait for what somebody, perhaps an earlier run of this, has begun."""
        if self.stack_set.now():
            for operation in self.stack_set.operations_under_way():
                follow(self.stack_set, operation, "Waiting for an operation that is under way", self.screen)

    def run(self, begin: Callable[[], str], title: str, expected: int) -> None:
        """Begin an operation and see it through; where another one came first, wait for that."""
        while True:
            try:
                operation = begin()
            except ClientError as error:
                if error_code(error) != "OperationInProgressException":
                    raise
                self.settle()
            else:
                follow(self.stack_set, operation, title, self.screen, expected)
                return

    def _create(self, accounts: Sequence[str], title: str) -> None:
        self.run(lambda: self.stack_set.add(self.units, self.region, accounts), title, len(accounts))

    def _instances(self) -> list[Instance]:
        return [each for each in self.stack_set.instances() if each.region == self.region]

    def _stale(self) -> list[str]:
        """Return the accounts to cover whose stack is not as the stack set says."""
        return [each.account for each in self._instances() if not each.is_current and each.account in self.accounts]

    def _failures(self) -> dict[str, str]:
        """Return the accounts that lack a stack as the stack set says, each with the reason."""
        instances = {each.account: each for each in self._instances()}
        failed = {account: each.reason for account, each in instances.items() if not each.is_current}
        absent = dict.fromkeys(self.accounts, "It got no stack: see the stack set's operations.")
        return failed | {account: reason for account, reason in absent.items() if account not in instances}

    def _require_one_region(self) -> None:
        elsewhere = sorted({each.region for each in self.stack_set.instances()} - {self.region})
        if elsewhere:
            raise CliError(
                f"the stack set {self.stack_set.name} deploys to {', '.join(elsewhere)}, not {self.region}. One Region "
                f"covers all others, and a second would register everything twice. Use REGION={elsewhere[0]}."
            )


def _news(before: Definition, template: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> list[str]:
    """Return what differs from the stack set as it is.

    CloudFormation never shows a secret parameter; CredentialsVersion shows whether those that are given differ.
    """
    news = [] if before.template.strip() == template.strip() else ["the template"]
    shown = sorted(parameters.keys() - set(PARAMETERS.values()))
    news += [name for name in shown if before.parameters.get(name) != parameters[name]]
    news += [f"the tag {name}" for name, value in sorted(tags.items()) if before.tags.get(name) != value]
    if not (before.auto_deployment and before.managed_execution):
        news.append("new accounts are covered by themselves")
    return news
