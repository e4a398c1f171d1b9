"""The plainest client of the API: one request a call, no retry, no interpretation. For tests of the simulator."""

from collections.abc import Iterable
from typing import Any

import requests

from tests.simulator.falcon import FalconSimulator

ENTITIES = "/container-security/entities/registries/v1"
QUERIES = "/container-security/queries/registries/v1"
TIMEOUT = 20.0  # seconds


def registry(account: str, region: str) -> str:
    return f"https://{account}.dkr.ecr.{region}.amazonaws.com"


def credential(role: str = "arn:aws:iam::123456789012:role/connection", **details: object) -> dict[str, object]:
    return {"type": "ecr", "details": {"aws_iam_role": role, "aws_external_id": "simulated-external-id", **details}}


def payload(region: str = "eu-west-1", account: str = "123456789012", **more: object) -> dict[str, object]:
    """Return the body of a create."""
    return {"type": "ecr", "url": registry(account, region), "credential": credential(), **more}


def message(answer: requests.Response) -> str:
    """Return the message of the first error of an envelope."""
    text: str = answer.json()["errors"][0]["message"]
    return text


class Probe:
    """Talks to one cloud of a simulator, with a token of its own. Redirects are not followed."""

    def __init__(self, falcon: FalconSimulator, *, read_timeout: float = TIMEOUT) -> None:
        self.session = requests.Session()
        # The environment's settings would replace `verify`.
        self.session.trust_env = False
        self.session.verify = str(falcon.ca_file)
        self._url, self._timeout = falcon.url, (TIMEOUT, read_timeout)
        self._credentials = {"client_id": falcon.client_id, "client_secret": falcon.client_secret}

    def token(self, **form: str) -> requests.Response:
        """Ask for a token, and use it from then on if it was given."""
        response = self.send("POST", "/oauth2/token", data=self._credentials | form)
        if response.status_code == requests.codes.created and "access_token" in response.text:
            self.session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return response

    def logged_in(self) -> "Probe":
        self.token().raise_for_status()
        return self

    def create(self, region: str = "eu-west-1", account: str = "123456789012", **more: object) -> requests.Response:
        return self.send("POST", ENTITIES, json=payload(region, account, **more))

    def read(self, *ids: str) -> requests.Response:
        return self.send("GET", ENTITIES, params={"ids": ids})

    def page(self, **parameters: object) -> requests.Response:
        return self.send("GET", QUERIES, params=parameters)

    def created(self, regions: Iterable[str]) -> list[str]:
        """Create connections and return their ids."""
        return [self.create(region).json()["resources"]["id"] for region in regions]

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self._url + path, timeout=self._timeout, allow_redirects=False, **options)

    def close(self) -> None:
        self.session.close()
