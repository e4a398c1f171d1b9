"""MiniStack, repaired: the process behind `tests.sandbox.local_aws.LocalAws`. See README.md."""
