"""The commands: `python -m cli COMMAND`, which is what `make COMMAND` runs."""

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import click

from cli import request
from cli.account import actions, publish
from cli.account import delete as account_delete
from cli.account import deploy as account_deploy
from cli.aws import translated
from cli.coverage import report
from cli.credentials import Credentials
from cli.errors import AttentionError, CliError
from cli.organization import delete as organization_delete
from cli.organization import deploy as organization_deploy
from cli.request import Request
from cli.screen import Screen, printable

VARIABLES: Final[Mapping[str, str]] = {
    "STACK": f"name of the stack ({request.DEFAULT_STACK})",
    "STACK_SET": f"name of the stack set ({request.DEFAULT_STACK})",
    "REGION": "Region of the stacks (AWS_REGION, AWS_DEFAULT_REGION, or the profile's)",
    "S3_BUCKET": "bucket of yours for the package, in the stack's Region (the stack's own, else a private one is made)",
    "S3_BUCKET_OWNER": "account that S3_BUCKET must belong to (the one that you are signed in to)",
    "RELEASE": "directory of a release that was downloaded, or a file in it: it is checked against its SHA256SUMS, and "
    "nothing is built (what this checkout builds)",
    "PARAMETERS": "parameters of the template, as words Name=value in the shell's own quoting: "
    "PARAMETERS='DeleteConnections=Stack ReconcileSchedule=\"rate(6 hours)\" ExcludedRegions='. What is not given "
    "keeps its value on an update, and has the template's default on a launch",
    "TAGS": "tags of the stacks, as words key=value: TAGS='team=security cost=\"a b\"'",
    "ORG_ID": "id of the organization, to be sure that it is this one (that of your account)",
    "OU_IDS": "organizational units or the root, comma-separated (required)",
    "ORG_PATHS": "organization paths that narrow who may read the shared secret: o-.../r-.../ou-.../* (kept on an "
    "update; o-.../r-.../* is everybody)",
    "CALL_AS": "DELEGATED_ADMIN if you are signed in to a delegated administrator's account (SELF)",
    "MAX_CONCURRENT": "accounts at a time, 1 to 100 (20); all share one Falcon tenant and its rate limit",
    "INCLUDE_MANAGEMENT": "1 includes the management account, by a plain stack: stack sets never reach it",
    "SECRET_COPIES": "1 keeps a copy of the credentials in each account, instead of one secret for all",
    "DELETE_CONNECTIONS": "Keep leaves all connections in Falcon, Stack removes those that the stack manages, Account "
    "removes every ECR connection of the account (what the stack says now)",
    "DELETE_BUCKET": "1 deletes the bucket with the packages as well",
    "FORCE": "1 deletes stacks too that could not be updated to DELETE_CONNECTIONS; their connections may stay",
    "YES": "1 asks nothing, for automation",
    "JSON": "1 prints the function's JSON instead of a table, for jq",
    "WIDE": "1 adds ids and times to the tables",
    "REGIONS": "Regions to expect in accounts whose own cannot be read, comma-separated",
    "FALCON_CLOUD": "autodiscover, us-1, us-2, us-3, eu-1, us-gov-1 or us-gov-2 (the stack set's)",
    "FALCON_API_URL": "https URL that replaces the cloud's own (the stack set's)",
}
"""What each variable means."""

_UPLOAD: Final = ("RELEASE", "S3_BUCKET", "S3_BUCKET_OWNER", "PARAMETERS")
_ONE: Final = ("STACK", "REGION")
_ASK: Final = (*_ONE, "JSON", "WIDE")
_ORG: Final = ("STACK_SET", "REGION", "CALL_AS")
_ROLLOUT: Final = (*_ORG, "MAX_CONCURRENT", "INCLUDE_MANAGEMENT")

COMMANDS: Final[dict[str, tuple[Callable[[Request, Screen], None], Sequence[str], str]]] = {
    "deploy": (account_deploy.deploy, (*_ONE, *_UPLOAD, "TAGS"), "asked for on a terminal"),
    "delete": (account_delete.delete, (*_ONE, "DELETE_CONNECTIONS", "DELETE_BUCKET", "YES"), ""),
    "publish": (publish.publish, (*_ONE, *_UPLOAD, "TAGS"), ""),
    "plan": (actions.plan, _ASK, ""),
    "status": (actions.status, _ASK, ""),
    "reconcile": (actions.reconcile, _ASK, ""),
    "deploy-org": (
        organization_deploy.deploy,
        ("OU_IDS", "ORG_ID", *_ROLLOUT, "SECRET_COPIES", "ORG_PATHS", *_UPLOAD, "TAGS", "WIDE"),
        "required for a new stack set, unless SecretsManagerSecretName names a secret that exists",
    ),
    "delete-org": (
        organization_delete.delete,
        (*_ROLLOUT, "DELETE_CONNECTIONS", "DELETE_BUCKET", "FORCE", "YES", "WIDE"),
        "",
    ),
    "coverage-report": (
        report.report,
        (*_ORG, "RELEASE", "REGIONS", "FALCON_CLOUD", "FALCON_API_URL"),
        "required; the scope Falcon Container Image: READ suffices",
    ),
}
"""What each command runs, its variables, and what it takes the Falcon credentials for."""

_AWS: Final = "AWS credentials come from where every AWS tool finds them (AWS_PROFILE, aws sso login, ...)."
_CREDENTIALS: Final = (
    "FALCON_CLIENT_ID and FALCON_CLIENT_SECRET, exported, never on a command line: the Falcon API client"
)


class Command(click.Command):
    """A command whose options are variables of make, which come by the environment."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the usage line."""
        formatter.write_usage(f"make {self.name}", "[VARIABLE=value ...]")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write what each variable means."""
        with formatter.section("Variables"):
            formatter.write_dl([(f"{each.name}=", VARIABLES[str(each.name)]) for each in self.params])


def _variable(name: str) -> click.Option:
    read_from = ["REGION", "AWS_REGION", "AWS_DEFAULT_REGION"] if name == "REGION" else name
    return click.Option([f"--{name.lower().replace('_', '-')}", name], envvar=read_from, default="")


def execute(name: str, asked: Request, screen: Screen) -> None:
    """Run a command. Raises CliError, which holds no secret."""
    with translated(asked.credentials.secrets):
        COMMANDS[name][0](asked, screen)


def _command(name: str) -> Command:
    function, variables, purpose = COMMANDS[name]

    def run(**values: str) -> None:
        given = os.environ.get("MAKE_VARIABLES", "").split()
        if unknown := list(request.unknown_variables(name, given, variables)):
            raise CliError(*unknown)
        found = Credentials.take(os.environ)
        asked = request.read(values, found if purpose else Credentials())
        execute(name, asked, Screen(wide="WIDE" in asked.flags))

    return Command(
        name,
        callback=run,
        params=list(map(_variable, variables)),
        help=(inspect.getdoc(function) or "").partition("\n\nRaises")[0],
        epilog="\n\n".join(filter(None, [purpose and f"{_CREDENTIALS} ({purpose}).", _AWS])),
        options_metavar="",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0 if all is well, 1 if not, 2 for wrong usage, 130 if interrupted."""
    group = click.Group(name="cli", help=__doc__, commands={name: _command(name) for name in COMMANDS})
    try:
        group.main(arguments, prog_name="python -m cli", standalone_mode=False)
    except AttentionError:
        return 1  # it has been printed
    except CliError as error:
        for problem in error.problems:
            click.echo(f"error: {printable(problem, lines=True)}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort, EOFError):
        click.echo(
            "Interrupted. What AWS has begun, if anything, it finishes; the same command again follows it.", err=True
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
