"""`make publish`."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from cli.account import preflight
from cli.errors import CliError
from cli.request import Request
from cli.screen import Screen

CONSOLES: Final[Mapping[str, str]] = {
    "aws": "{region}.console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}
"""Host of the console in each partition, as far as known."""


def publish(asked: Request, screen: Screen) -> None:
    """Upload package and template, and print the link that opens the AWS console with both filled in.

    The link holds no credential: whoever opens it types them there.

    Raises CliError if that cannot be done.
    """
    target, problems = preflight.survey(asked)
    if problems:
        raise CliError(*problems)
    aws, artifacts = target.aws, target.artifacts
    screen.say(f"version {artifacts.version}, {artifacts.origin}")
    package, page = target.upload(screen, artifacts.package, artifacts.template)
    parameters = {name: value for name, value in package.parameters.items() if value} | dict(asked.parameters)
    screen.say()
    screen.link(f"Template: {page.url(aws)}")
    if host := CONSOLES.get(aws.partition):
        filled = {f"param_{name}": value for name, value in parameters.items()}
        # Part of the fragment, where a plus sign would not mean a space.
        query = urlencode({"templateURL": page.url(aws), "stackName": asked.name, **filled}, quote_via=quote, safe="")
        console = f"https://{host.format(region=aws.region)}/cloudformation/home?region={aws.region}"
        address = f"{console}#/stacks/quickcreate?{query}"
        screen.link(f"Launch:   {address}")
    else:
        screen.say(f"No console is known for the partition {aws.partition}. Launch the template with {parameters}.")
