"""`make publish`."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from cli import request
from cli.account import preflight
from cli.aws import translated
from cli.credentials import Credentials
from cli.errors import CliError
from cli.request import Values
from cli.screen import Screen

CONSOLES: Final[Mapping[str, str]] = {
    "aws": "{region}.console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}
"""Host of the console in each partition, as far as known."""


def publish(values: Values, _: Credentials, screen: Screen) -> None:
    """Upload package and template, and print the link that opens the AWS console with both filled in.

    The link holds no credential: whoever opens it types them there.

    Raises CliError if that cannot be done.
    """
    # What is published can hold no credential: none is passed on.
    asked = request.read(values)
    with translated():
        target, problems = preflight.survey(asked)
        if target is None or problems:
            raise CliError(*problems)
        screen.say(f"version {target.artifacts.version}, {target.artifacts.origin}")
        package, page = target.upload(screen, target.artifacts.package, target.artifacts.template)
    aws = target.aws
    parameters = {name: value for name, value in package.parameters.items() if value} | dict(asked.parameters)
    screen.say()
    screen.link(f"Template: {page.url(aws)}")
    if host := CONSOLES.get(aws.partition):
        address = quick_create_link(host.format(region=aws.region), aws.region, page.url(aws), asked.name, parameters)
        screen.link(f"Launch:   {address}")
    else:
        screen.say(f"No console is known for the partition {aws.partition}. Launch the template with {parameters}.")


def quick_create_link(console: str, region: str, template: str, stack: str, parameters: Mapping[str, str]) -> str:
    """Return the console's page that has everything filled in but the Falcon credentials."""
    fields = {"templateURL": template, "stackName": stack, **{f"param_{k}": v for k, v in parameters.items()}}
    # Part of the fragment, where a plus sign would not mean a space.
    query = urlencode(fields, quote_via=quote, safe="")
    return f"https://{console}/cloudformation/home?region={region}#/stacks/quickcreate?{query}"
