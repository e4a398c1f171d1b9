"""`make probe-live`: ask a Falcon tenant what is not documented, and compare with what is assumed.

Environment: FALCON_CLIENT_ID and FALCON_CLIENT_SECRET of an API client with the scopes Falcon Container Image READ and
WRITE; FALCON_CLOUD (us-1 unless set); REGION, in which the account's registry has no connection (us-west-1 unless
set); ACCOUNT_ID, if it is not the account of your AWS credentials. With ROLE_ARN and EXTERNAL_ID of a role that
Falcon can assume, more can be asked. YES=1 does not ask before.

Exit status: 0 if nothing differs, 1 if something does, 2 if not all could be asked; make makes 2 of either.
"""

import json
import os
import re
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from probe import report
from probe.falcon import HOSTS, CannotAskError, Credential, Falcon
from probe.survey import BAD_CALLS, Survey

NOTHING_DIFFERS, DIFFERS, CANNOT_ASK = 0, 1, 2
DIRECTORY: Final = Path("build")

PLAN: Final = """\
This asks the Falcon tenant at {host}, as API client {client_id}:

  - it reads all registry connections of the tenant, and changes none of them;
  - it reads and deletes ids that do not exist;
  - it tries to connect {url} with a role that cannot be assumed{working},
    and removes what came of it, also after an interruption, or when it is run again;
  - it makes {calls} calls with a wrong token, so that Falcon limits those for a minute.
"""


def make_survey(environ: Mapping[str, str]) -> Survey:
    """Return the survey that the environment asks for; raise CannotAskError with everything that is wrong."""
    cloud, region = environ.get("FALCON_CLOUD") or "us-1", environ.get("REGION") or "us-west-1"
    role, external_id = environ.get("ROLE_ARN", ""), environ.get("EXTERNAL_ID", "")
    problems = [f"{name} is not set" for name in ("FALCON_CLIENT_ID", "FALCON_CLIENT_SECRET") if not environ.get(name)]
    if cloud not in HOSTS and not environ.get("FALCON_API_URL"):
        problems.append(f"FALCON_CLOUD is one of {', '.join(HOSTS)}")
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d", region):
        problems.append("REGION is no Region, such as us-west-1")
    if bool(role) != bool(external_id):
        problems.append("ROLE_ARN and EXTERNAL_ID belong together")
    if problems:
        raise CannotAskError("; ".join(problems))
    account = environ.get("ACCOUNT_ID") or _own_account()
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    absent = f"arn:{partition}:iam::{account}:role/falcon-ecr-probe-does-not-exist"
    return Survey(
        Falcon(environ.get("FALCON_API_URL") or f"https://{HOSTS[cloud]}"),
        f"https://{account}.dkr.ecr.{region}.{suffix}",
        Credential(absent, secrets.token_hex(16)),
        Credential(role, external_id) if role else None,
    )


def _own_account() -> str:
    try:
        return boto3.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise CannotAskError(f"ACCOUNT_ID is not set, and AWS does not say which account this is: {error}") from error


def agreed(survey: Survey, environ: Mapping[str, str]) -> bool:
    """Show what will be done, and return whether a person agrees."""
    working = ", and with ROLE_ARN" if survey.working else ""
    client_id = environ["FALCON_CLIENT_ID"]
    print(PLAN.format(host=survey.falcon.url, client_id=client_id, url=survey.url, working=working, calls=BAD_CALLS))
    if environ.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        raise CannotAskError("there is nobody to ask whether to do this: YES=1 agrees")
    return input("Do this? [y/N] ").strip().lower() in ("y", "yes")


def run(survey: Survey, environ: Mapping[str, str]) -> int:
    """Ask everything, write the report, and return the exit status."""
    answers: dict[str, set[str]] = {}
    stopped = ""
    login = survey.falcon.login(environ["FALCON_CLIENT_ID"], environ["FALCON_CLIENT_SECRET"])
    answers["token"] = {login.outcome}
    if removed := survey.prepare():
        print(f"Removed {removed} connections that an earlier run had left.")
    try:
        for name, answer in survey.ask():
            answers.setdefault(name, set()).add(answer)
    except (CannotAskError, KeyboardInterrupt) as error:
        stopped = str(error) or "interrupted"
    finally:
        try:
            survey.clean_up()
        except CannotAskError as error:
            stopped = f"{error}. Connections may be left: run this again, it removes them."
    return write(survey, answers, stopped, environ)


def write(survey: Survey, answers: Mapping[str, set[str]], stopped: str, environ: Mapping[str, str]) -> int:
    """Write the report and return the exit status."""
    hidden = [survey.falcon.token, environ["FALCON_CLIENT_SECRET"], environ["FALCON_CLIENT_ID"], *survey.secrets]
    found = report.render(answers, cloud=survey.falcon.url, stopped=stopped, secrets=hidden)
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / "probe.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (DIRECTORY / "probe.md").write_text(report.markdown(found), encoding="utf-8")
    print(report.markdown(found))
    if "create" not in answers and not stopped:
        print("What was not asked needs a connection: set ROLE_ARN and EXTERNAL_ID of a role that Falcon can assume.")
    if stopped:
        return CANNOT_ASK
    return DIFFERS if report.differs(found) else NOTHING_DIFFERS


def main() -> int:
    """Ask a tenant, if a person agrees."""
    if sys.argv[1:]:
        print(__doc__)
        return CANNOT_ASK if sys.argv[1:] != ["--help"] else NOTHING_DIFFERS
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that this, too, removes what was made
    try:
        survey = make_survey(os.environ)
        return run(survey, os.environ) if agreed(survey, os.environ) else CANNOT_ASK
    except CannotAskError as error:
        secret = os.environ.get("FALCON_CLIENT_SECRET", "")
        print(f"error: {report.redact(str(error), [secret])}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
    return CANNOT_ASK


if __name__ == "__main__":
    sys.exit(main())
