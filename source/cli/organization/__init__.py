"""An organization: one stack set, one bucket, one secret."""
