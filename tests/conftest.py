"""Fixtures for all tests."""

pytest_plugins = ["tests.sandbox.fixtures"]
