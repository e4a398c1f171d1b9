"""The Falcon clouds: their names, their public hosts, and which of them redirect a token request to one another."""

COMMERCIAL = {
    "us-1": "api.crowdstrike.com",
    "us-2": "api.us-2.crowdstrike.com",
    "us-3": "api.us-3.crowdstrike.com",
    "eu-1": "api.eu-1.crowdstrike.com",
}
"""Cloud to API host, as CrowdStrike's SDKs list them. These redirect a token request to the client's own cloud."""

GOVERNMENT = {
    "us-gov-1": "api.laggar.gcw.crowdstrike.com",
    "us-gov-2": "api.us-gov-2.crowdstrike.mil",
}
"""Deliberately not discoverable: elsewhere their clients are unknown, and here those of other clouds are."""

HOSTS = COMMERCIAL | GOVERNMENT
