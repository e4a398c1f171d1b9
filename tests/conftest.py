"""Fixtures for all tests."""

import os

from tests.environment import tidy

tidy(os.environ)

pytest_plugins = ["tests.sandbox.fixtures"]
