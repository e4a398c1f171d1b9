"""What `make` runs: environments, the package, and everything against a real AWS account or an organization."""
