"""How the simulated Falcon behaves where CrowdStrike's documents are silent, contradict themselves, or vary."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

NEVER = math.inf
"""As a number of seconds: does not happen."""


@dataclass(slots=True)
class Behaviour:
    """The switches of the simulator; the defaults are the most likely behaviour of the live API.

    May be changed while the simulator runs; the next request sees the change. Durations are in seconds.
    """

    latency: float = 0.0
    """From a request until its answer."""

    create_status: int = 200
    """Status of a successful create. CrowdStrike's specification says 201; seen live in public issues: 200."""

    unknown_id: Literal["empty", "not_found"] = "empty"
    """Reading ids of which some are unknown: 200 with the known ones, or 404 for the whole call. Undocumented."""

    unknown_id_on_delete: Literal["empty", "not_found"] = "not_found"
    """Deleting an unknown id: 200 without it, or 404. Undocumented; public clients expect 404."""

    delete_many: bool = True
    """Whether one delete may name several ids. The specification has a single string; public clients send several."""

    patch_needs_credential: bool = True
    """Whether an update without credential type and details is a 400, as the specification has it."""

    details_as_null: bool = False
    """Whether reads show `credential.details` as null rather than {}. What was sent is never shown: write-only."""

    bad_credential_leaves_record: bool = False
    """Whether a create that fails on its credential leaves its connection behind all the same. Suspected, unproven."""

    iam_ready_after: float = 0.0
    """Seconds after a role was first named until it can be assumed; before, create and update of ECR connections
    answer 400 "failed to validate registry credential", as seen live right after the role was made. `NEVER` works."""

    credential_refusal: str = "failed to validate registry credential: unable to access the registry"
    """The message of the 400 for a role that Falcon cannot assume. The default starts like what public troubleshooting
    guides quote; other words are possible: "failed to assume the given AWS IAM role: access denied"."""

    alias_characters: int | None = None
    """How many characters of an alias are given back; None: all. Whether the live API cuts aliases is unknown."""

    credential_check: Callable[[str, str], bool] | None = None
    """Decides, given role ARN and external id, whether Falcon can assume the role. May block. In-process only."""

    active_after: float = 2.0
    """Seconds from creation until a connection's state turns from pending to active."""

    conflict_after_delete: float = 0.0
    """Seconds during which the URL of a deleted connection still answers 409. One source mentions 48 hours."""

    ip_allowed: bool = True
    """Whether the source address is in the tenant's allow-list; if not, no token is issued (403)."""

    requests_per_minute: int = 6000
    """Pooled over all API clients of the tenant, in a sliding minute, as CrowdStrike documents."""

    tokens_per_minute: int = 300
    """Token requests per source address, as seen live in X-Ratelimit-Limit."""

    retry_after_unit: Literal["seconds", "milliseconds", "absent"] = "seconds"
    """X-Ratelimit-Retryafter is documented as milliseconds since the epoch; every working client reads seconds."""

    time_scale: float = 1.0
    """Simulated seconds per real second in the rate limits: at 10, their minute lasts 6 real seconds."""

    public_locations: bool = False
    """Whether redirects name CrowdStrike's public host of the right cloud rather than the simulator's own URL.
    Then the client must reach it by that name: see `EgressProxy`."""
