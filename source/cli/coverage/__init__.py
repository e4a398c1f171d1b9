"""Which registries of an organization Falcon has a connection to."""
