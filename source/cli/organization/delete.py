"""`make delete-org`."""

from collections.abc import Sequence

from cli import bucket
from cli.account.delete import DEFAULT, MEANING, PARAMETER, needs_update, policy_of, set_policy
from cli.aws import Aws, connect
from cli.errors import CliError
from cli.organization import members, shared_secret
from cli.organization.failures import show_failures
from cli.organization.stack_set import Definition, StackSet
from cli.request import Request
from cli.screen import Screen, counted
from cli.stack import Stack, described


def delete(asked: Request, screen: Screen) -> None:
    """Take the stack set out of the organization again, and its connections out of Falcon if asked.

    Every account's stack is updated to the choice before it is deleted. A second run updates those that were missed.

    Raises CliError if that cannot be done, or accounts failed.
    """
    aws = connect(asked.region, found=asked.problems)
    organization = members.find(aws)
    if problems := list(members.problems_of(aws, organization, asked)):
        raise CliError(*problems)
    screen.say(f"stack set {asked.name} ({organization.seen_from(aws)})", "bold")
    deletion = Deletion(aws, asked, screen)
    deletion.confirm()
    deletion.run()


class Deletion:
    """What there is to delete, and deleting it. Each step leaves what a second run needs to go on."""

    def __init__(self, aws: Aws, asked: Request, screen: Screen) -> None:
        self._aws, self._asked, self._screen = aws, asked, screen
        cloudformation = aws.client("cloudformation")
        self._set = StackSet(cloudformation, asked.name, asked.call_as, asked.max_concurrent, screen)
        self._set.settle()
        self._definition = self._set.now()
        self._instances = self._set.instances() if self._definition else []
        self._stack = Stack(cloudformation, asked.name, screen)
        self._management = self._stack.settle() if "INCLUDE_MANAGEMENT" in asked.flags else None
        self._secret = shared_secret.stack_of(aws, asked.name, screen)

    def confirm(self) -> None:
        """Print what will happen, and let the operator type the name. Raises CliError if they do not."""
        if not (self._definition or self._management or "DELETE_BUCKET" in self._asked.flags or self._secret.now()):
            raise CliError(f"there is no stack set {self._set.name} in {self._aws.region}.")
        say, name = self._screen.say, self._set.name
        if self._definition:
            policy = policy_of(self._asked, self._definition.parameters)
            version, count = self._definition.version or "unknown", counted(len(self._instances), "account")
            say(f"This deletes the stack set {name} (version {version}) and its stacks in {count}.")
            say(f"{PARAMETER}={policy}: {MEANING[policy]}")
        if self._management:
            policy = policy_of(self._asked, self._management.parameters)
            say(f"This deletes the stack {name} of the management account {self._aws.account}.")
            say(f"There {PARAMETER}={policy}: {MEANING[policy]}")
        if self._secret.now():
            say("This deletes the shared secret and its key, unless the management account's stack stays and reads it.")
        takes_bucket = "DELETE_BUCKET" in self._asked.flags
        say("This deletes the bucket with the packages." if takes_bucket else "The bucket with the packages is kept.")
        self._screen.confirm(name, agreed="YES" in self._asked.flags)

    def run(self) -> None:
        """Delete. Raises CliError with the accounts that failed, or whose connections stay."""
        missed: dict[str, str] = {}
        if self._definition:
            units = sorted(self._definition.units or {each.unit for each in self._instances})
            missed = self._inform(self._definition, units)
            self._delete_instances(units)
            self._set.delete()
            self._screen.say(f"the stack set {self._set.name} is deleted")
        if self._management:
            policy = policy_of(self._asked, self._management.parameters)
            if needs_update(self._stack, self._management, policy):
                set_policy(self._stack, self._management, policy)
            self._stack.delete()
            self._screen.say(f"the stack {self._stack.name} of the management account is deleted")
        self._delete_secret()
        if "DELETE_BUCKET" in self._asked.flags and bucket.delete(self._aws, self._screen, of_organization=True):
            self._screen.say("the bucket is deleted")
        if missed:
            raise CliError(
                f"deleted by force without {PARAMETER}, so that these accounts' connections stay in Falcon, or went as "
                f"their stacks' parameter said before: {', '.join(sorted(missed))}"
            )

    def _inform(self, definition: Definition, units: Sequence[str]) -> dict[str, str]:
        """Update every stack to the choice, as which it deletes; return who was not reached, and why.

        Raises CliError if anybody was not reached, unless by FORCE.
        """
        policy = policy_of(self._asked, definition.parameters)
        changes = policy != definition.parameters.get(PARAMETER, DEFAULT)
        if changes:
            kept = definition.parameters.keys() - {PARAMETER}
            change = {**described({PARAMETER: policy}, kept, {}), "UsePreviousTemplate": True}
            self._set.update(f"Setting {PARAMETER}={policy}", change, len(self._instances))
        elif again := sorted(self._missed(changes=False)):
            region = next((each.region for each in self._instances), self._aws.region)
            self._set.change(f"Setting {PARAMETER}={policy} again", "update", units, region, again)
        self._instances = self._set.instances()
        missed = self._missed(changes=changes)
        show_failures(missed, self._screen)
        if missed and "FORCE" not in self._asked.flags:
            raise CliError(
                f"{counted(len(missed), 'account')} could not be updated to {PARAMETER}={policy}, so nothing was "
                "deleted. Correct the cause and run this again, or delete them as they are: FORCE=1"
            )
        return missed

    def _missed(self, *, changes: bool) -> dict[str, str]:
        """Return the accounts whose stack does not know the choice, each with the reason.

        Where a deletion failed (INOPERABLE) StackSets updates no more; it knew the choice then, if that stays.
        """
        known = set() if changes else {"INOPERABLE"}
        left = (each for each in self._instances if not each.is_current and each.status not in known)
        return {each.account: each.reason for each in left}

    def _delete_instances(self, units: Sequence[str]) -> None:
        regions = sorted({each.region for each in self._instances} or {self._aws.region})
        for region in regions if units else ():
            self._set.change("Deleting", "delete", units, region, count=len(self._instances), RetainStacks=False)
            if suspended := [each.account for each in self._set.instances() if each.is_suspended]:
                # StackSets passes them over unless their stacks are retained.
                title = "Taking out suspended accounts"
                self._set.change(title, "delete", units, region, suspended, RetainStacks=True)
                self._screen.say(f"taken out, their stacks and connections stay: {', '.join(suspended)}")
        left = {each.account: each.reason for each in self._set.instances()}
        show_failures(left, self._screen)
        if left:
            raise CliError(
                f"there is still a stack in {counted(len(left), 'account')}. Correct the cause and run this again; "
                "where StackSets calls a stack INOPERABLE, delete it in its account, then take it out of the stack set "
                "with delete-stack-instances --retain-stacks."
            )

    def _delete_secret(self) -> None:
        """Delete the shared secret, unless the management account's stack, which stays, still reads it."""
        secret, stack = self._secret.now(), self._stack.now()
        if secret is None:
            return
        # A secret is named by its ARN, by the ARN without its last characters, or by its name. What is left of other
        # failed launches may need it to remove its connections.
        launched = stack if stack and stack.status not in {"ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"} else None
        named = launched.parameters.get("SecretsManagerSecretName") if launched else ""
        if named and named in secret.outputs.get("SecretArn", ""):
            self._screen.say(f"the shared secret is kept: the stack {self._stack.name} of this account may read it")
            return
        self._secret.delete()
        self._screen.say("the shared secret is deleted")
