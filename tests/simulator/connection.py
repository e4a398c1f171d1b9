"""A Falcon registry connection, with what the API shows of it and what it keeps to itself."""

import functools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

REFRESH_INTERVAL = 7200  # seconds; a default seen in a public client, plausible for the live API


@functools.lru_cache(maxsize=4096)  # connections that were seeded together share their times
def rfc3339(moment: float) -> str:
    """Return a time (seconds since the epoch) as the API writes it; 0 means never and is empty."""
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z") if moment else ""


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass(slots=True)
class Connection:
    """One registry connection. Times are seconds since the epoch; 0 means that it never happened."""

    url: str
    type: str = "ecr"
    url_uniqueness_key: str = ""
    user_defined_alias: str = ""
    details: dict[str, object] = field(default_factory=dict, repr=False)
    """What was sent as `credential.details`: role, external id. The API never returns it."""
    credential_type: str | None = None
    """What was sent as `credential.type`, if anything."""
    all_repositories_monitored: bool | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    active_at: float = 0.0
    """When the state turns from pending to active."""
    forced_state: str = ""
    """A state that holds whatever the time: paused, or what a test says."""
    credential_updated_at: float = 0.0
    id: str = field(default_factory=new_id)
    credential_id: str = field(default_factory=new_id)
    system_alias: str = field(default_factory=new_id)

    @property
    def role(self) -> str | None:
        """The ARN of the role that Falcon was told to assume."""
        return self._detail("aws_iam_role")

    @property
    def external_id(self) -> str | None:
        return self._detail("aws_external_id")

    @property
    def region(self) -> str:
        """The Region in an ECR URL, or nothing."""
        parts = self.url.removeprefix("https://").split(".")
        return parts[3] if parts[1:3] == ["dkr", "ecr"] and len(parts) > 3 else ""

    def is_of(self, account: str) -> bool:
        """Whether this is a connection to an ECR registry of an AWS account, and not to something similar."""
        return self.type == "ecr" and self.url == f"https://{account}.dkr.ecr.{self.region}.amazonaws.com"

    def state(self, now: float) -> str:
        return self.forced_state or ("active" if now >= self.active_at else "pending")

    def resource(self, now: float, *, details: object) -> dict[str, object]:
        """Return the connection as the API shows it: every field that CrowdStrike's specification requires."""
        active = now >= self.active_at
        return {
            "id": self.id,
            "type": self.type,
            "url": self.url,
            "url_uniqueness_alias": self.user_defined_alias or self.system_alias,
            "user_defined_alias": self.user_defined_alias,
            "state": self.state(now),
            "state_changed_at": rfc3339(max(self.created_at, self.active_at if active else 0)),
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "last_refreshed_at": rfc3339(self.active_at) if active else "",
            "next_refresh_at": rfc3339(self.active_at + REFRESH_INTERVAL),
            "refresh_interval": REFRESH_INTERVAL,
            "credential": {
                "id": self.credential_id,
                "details": details,
                "expired": False,
                "expired_at": "",
                "created_at": rfc3339(self.created_at),
                "updated_at": rfc3339(self.credential_updated_at),
            },
        }

    def _detail(self, name: str) -> str | None:
        value = self.details.get(name)
        return value if isinstance(value, str) else None
