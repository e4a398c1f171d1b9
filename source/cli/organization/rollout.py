"""What is still to be done until a stack set covers its accounts, and doing it: a second run goes on with the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cli.credentials import PARAMETERS
from cli.errors import CliError
from cli.organization.stack_set import Definition, Instance, StackSet
from cli.screen import Screen
from cli.stack import described

DESCRIPTION = "Registers the Amazon ECR registries of every account with CrowdStrike Falcon"


@dataclass
class Rollout:
    """A stack set on its way to `accounts`, which are those below `units`; `held` are the stacks that it has so far."""

    stack_set: StackSet
    held: Sequence[Instance]
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
            new = described(parameters, (), tags)
            self.stack_set.create({**new, "Description": DESCRIPTION, "TemplateURL": template_url})
            self.screen.say(f"the stack set {name} is created")
            return
        if not (news := _news(before, template, parameters, tags)):
            self.screen.say(f"the stack set {name} is as it should be already")
            return
        self.screen.say(f"the stack set {name} changes: {', '.join(news)}")
        kept = (before.parameters.keys() & accepted) - parameters.keys()
        self._tried |= {each.account for each in self.held}
        change = {**described(parameters, kept, tags), "TemplateURL": template_url}
        self.stack_set.update("Updating", change, len(self.held))

    def require_one_region(self) -> None:
        """Raise CliError if the stack set deploys to another Region."""
        if elsewhere := sorted({each.region for each in self.held} - {self.region}):
            raise CliError(
                f"the stack set {self.stack_set.name} deploys to {', '.join(elsewhere)}, not {self.region}. One Region "
                f"covers all others, and a second would register everything twice. Use REGION={elsewhere[0]}."
            )

    def reach(self) -> dict[str, str]:
        """Deploy to every account that lacks its stack, try those again that failed, and return who fails now."""
        stack_set, units, region = self.stack_set, self.units, self.region
        before = stack_set.now()
        known = before.units if before else frozenset()
        if new := [unit for unit in units if unit not in known]:
            lacking = self._lacking()
            stack_set.change("Deploying", "create", new, region, count=len(lacking))
            self._tried |= lacking
        if missing := sorted(self._lacking() - self._tried):
            stack_set.change("Deploying", "create", units, region, missing)
            self._tried |= set(missing)
        if again := sorted(self._stale() - self._tried):
            stack_set.change("Trying again", "update", units, region, again)
            # What an update could not mend, such as a stack that was deleted by hand, is created.
            if left := sorted(self._stale() & set(again)):
                stack_set.change("Creating again", "create", units, region, left)
        failed = {each.account: each.reason for each in self._instances() if not each.is_current}
        return failed | dict.fromkeys(self._lacking(), "It got no stack: see the stack set's operations.")

    def _instances(self) -> list[Instance]:
        return [each for each in self.stack_set.instances() if each.region == self.region]

    def _lacking(self) -> set[str]:
        """Return the accounts to cover that have no stack."""
        return set(self.accounts) - {each.account for each in self._instances()}

    def _stale(self) -> set[str]:
        """Return the accounts to cover whose stack is not as the stack set says."""
        return {each.account for each in self._instances() if not each.is_current} & set(self.accounts)


def _news(before: Definition, template: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> list[str]:
    """Return what differs from the stack set as it is.

    CloudFormation never shows a secret parameter; CredentialsVersion shows whether those that are given differ.
    """
    news = [] if before.template.strip() == template.strip() else ["the template"]
    shown = sorted(parameters.keys() - set(PARAMETERS.values()))
    news += [name for name in shown if before.parameters.get(name) != parameters[name]]
    news += [f"the tag {name}" for name, value in sorted(tags.items()) if before.tags.get(name) != value]
    if not before.lasting:
        news.append("new accounts are covered by themselves")
    return news
