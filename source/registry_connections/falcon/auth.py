"""The login: a token from the right cloud, and why there is none.

Source: CrowdStrike's API specification, and statuses and texts as public issue threads show them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from registry_connections.core.errors import AuthenticationError, FalconError, NotFalconError, NotFromHereError
from registry_connections.core.model import AUTODISCOVER, FALCON_CLOUDS, GOVERNMENT_CLOUDS, Credentials, Deadline
from registry_connections.falcon.http import OK, REDIRECTS, HttpClient, Response
from registry_connections.falcon.responses import NOT_FALCON, is_falcons, message

REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass
class Login:
    """Gets tokens for one API client. `cloud`, `base_url` and `token` are known once `log_in` has returned."""

    http: HttpClient
    credentials: Credentials
    cloud: str = AUTODISCOVER
    api_url: str = ""  # replaces the cloud's own; switches discovery off
    clouds: Mapping[str, str] = field(default_factory=lambda: FALCON_CLOUDS)
    base_url: str = ""
    token: str = field(default="", repr=False)

    def log_in(self, deadline: Deadline, hint: str = "") -> None:
        """Get a token, discovering the cloud if none is named; `hint` is where discovery succeeded before.

        Raise AuthenticationError if Falcon refuses the API client, which tells wrong credentials and cloud apart as far
        as Falcon does; FalconError if Falcon did not decide.
        """
        self.http.protect(*self.credentials.secrets)
        discovering = self.cloud == AUTODISCOVER and not self.api_url
        known = self.clouds.keys() - GOVERNMENT_CLOUDS  # the record may name one of those from when it was set
        tried = (hint if hint in known else "us-1") if discovering else self.cloud
        self.base_url = self.api_url or self.clouds[tried]
        response = self._request(deadline)
        if response.status in REDIRECTS and discovering and self._home(response):
            tried = self._redirected(response)
            self.base_url = self.clouds[tried]
            response = self._request(deadline)
        self._accept(response, tried)
        if self.cloud == AUTODISCOVER:
            home = self._home(response)
            self.cloud = tried if home in GOVERNMENT_CLOUDS and discovering else home or tried
        if discovering:
            self.base_url = self.clouds[self.cloud]

    def renew(self, deadline: Deadline) -> None:
        """Get another token from the same place; raise AuthenticationError or FalconError."""
        self._accept(self._request(deadline), self.cloud)

    def _request(self, deadline: Deadline) -> Response:
        form = {"client_id": self.credentials.client_id, "client_secret": self.credentials.client_secret}
        if self.credentials.member_cid:
            form["member_cid"] = self.credentials.member_cid
        try:
            return self.http.call("POST", f"{self.base_url}/oauth2/token", deadline, data=form)
        except FalconError as error:
            text = f"Falcon login: {error}"
            raise FalconError(text, status=error.status, trace_id=error.trace_id) from None

    def _redirected(self, response: Response) -> str:
        """Return the cloud that a redirect names; the credentials go to hosts of the known list only."""
        cloud = self._home(response)
        if cloud and cloud not in GOVERNMENT_CLOUDS:
            return cloud
        raise response.error(
            AuthenticationError,
            f"Falcon redirects these credentials to {cloud}: name the cloud in FalconCloud, or set FalconApiUrl.",
        )

    def _home(self, response: Response) -> str:
        """Return the cloud that a response names, or nothing."""
        named = response.header("X-Cs-Region", 30).lower().replace("-", "")
        return next((cloud for cloud in self.clouds if cloud.replace("-", "") == named), "")

    def _accept(self, response: Response, cloud: str) -> None:
        token = response.body.get("access_token") if isinstance(response.body, dict) else None
        if response.status not in OK or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._refusal(response, cloud)
        self.token = token
        self.http.protect(token)

    def _refusal(self, response: Response, cloud: str) -> FalconError:
        """Say why there is no token."""
        kind: type[FalconError] = AuthenticationError
        said = message(response)
        cloud = cloud if cloud in self.clouds else "the cloud behind FalconApiUrl"
        if response.status in REDIRECTS and response.headers.get("X-Cs-Region"):
            home = self._home(response)
            home = home if home and home != cloud else "another cloud"
            cause = f"these credentials belong to {home}, not {cloud}: name the right cloud in FalconCloud"
        elif not is_falcons(response):
            kind, cause = NotFalconError, NOT_FALCON
        elif response.status == HTTPStatus.BAD_REQUEST:
            cause = f"the client id is unknown in {cloud}: check the client id, and FalconCloud for its cloud"
        elif response.status in REFUSED and "authorization failed" in said:
            kind = NotFromHereError
            cause = "the API client may not be used from here: check its IP allow-list and the subscription"
        elif response.status in REFUSED and self.credentials.member_cid and "customer ID" in said:
            cause = "the API client may not act for the tenant in member_cid: correct it, or take it out of the secret"
        elif response.status in REFUSED:
            cause = "the client secret is wrong, or the API client was revoked"
        else:
            kind, cause = FalconError, "Falcon gave no token"
        detail = f" (HTTP {response.status} {said})".replace(" )", ")")
        return response.error(kind, f"Falcon login: {cause}{detail}")
