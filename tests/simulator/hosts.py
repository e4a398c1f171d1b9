"""Lets a `requests` session reach the simulator under CrowdStrike's public host names, certificates verified."""

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.simulator.clouds import HOSTS


class CloudAdapter(HTTPAdapter):
    """Sends what is meant for a public host to a URL of the simulator, whose certificate must name that host."""

    def __init__(self, host: str, url: str) -> None:
        self._host = host
        self._url = url
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, server_hostname=self._host, **options)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        there = request.copy()
        there.url = f"{self._url}{request.path_url}"
        response = super().send(there, *arguments, **options)
        # The session decides by these whether a redirect leaves the host, and what may follow it there.
        response.request, response.url = request, request.url or ""
        return response


def mount(session: requests.Session, urls: Mapping[str, str]) -> None:
    """Map the public host of each cloud of `urls` (cloud to URL) to that URL, for this session only."""
    for cloud, url in urls.items():
        session.mount(f"https://{HOSTS[cloud]}/", CloudAdapter(HOSTS[cloud], url))
