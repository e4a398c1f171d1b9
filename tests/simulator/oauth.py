"""The OAuth2 operation: a token for a client's credentials, in its own cloud."""

from typing import TYPE_CHECKING

from tests.simulator.clouds import COMMERCIAL, HOSTS
from tests.simulator.messages import GATEWAY, Answer, Call, RefusedError

if TYPE_CHECKING:
    from tests.simulator.falcon import FalconSimulator
    from tests.simulator.tenant import ApiClient

SERVICE = "csam"
"""`meta.powered_by` of the token service, as seen live."""

TOKEN_SECONDS = 1799  # as seen live


def token(falcon: "FalconSimulator", call: Call) -> Answer:
    """Issue a token: 201 as specified, or an error as seen live in public issues."""
    form = call.form()
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    elsewhere = redirect(falcon, call, client_id)
    if elsewhere:
        return elsewhere
    client = authenticate(falcon, call, client_id, secret)
    value = falcon.tenant.issue_token(client, TOKEN_SECONDS)
    return Answer(201, {"access_token": value, "expires_in": TOKEN_SECONDS, "token_type": "bearer"})


def redirect(falcon: "FalconSimulator", call: Call, client_id: str) -> Answer | None:
    """Send a client of another commercial cloud there: 308 with an empty body, as seen live in public issues."""
    home = falcon.tenant.cloud
    both_commercial = call.cloud in COMMERCIAL and home in COMMERCIAL
    if call.cloud == home or not both_commercial or falcon.tenant.client(client_id) is None:
        return None
    public = falcon.behaviour.public_locations or home not in falcon.urls
    base = f"https://{HOSTS[home]}" if public else falcon.urls[home]
    headers = {"Location": f"{base}{call.path}", "X-Cs-Region": home, "Strict-Transport-Security": "max-age=31536000"}
    return Answer(308, None, headers)


def authenticate(falcon: "FalconSimulator", call: Call, client_id: str, secret: str) -> "ApiClient":
    """Return the client with these credentials, or refuse: unknown here 400, wrong secret 403, address 403."""
    if not falcon.behaviour.ip_allowed:
        raise RefusedError(403, "access denied, authorization failed", powered_by=GATEWAY)
    client = falcon.tenant.client(client_id) if call.cloud == falcon.tenant.cloud else None
    if client is None:
        raise RefusedError(400, f"Failed to generate access token for clientID={client_id}", powered_by=SERVICE)
    if client.secret != secret:
        raise RefusedError(
            403,
            "Failed to issue access token - Client authentication failed (e.g., unknown client, no client "
            "authentication included, or unsupported authentication method)",
            powered_by=SERVICE,
        )
    return client
