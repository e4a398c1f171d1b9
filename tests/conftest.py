"""Fixtures for all tests."""

import os
import signal

from hypothesis import settings

from tests.sandbox.environment import tidy

tidy(os.environ)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it sends to the background so, and programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A first run must not be the one that meets a new counterexample; `make histories` looks for them.
settings.register_profile("deterministic", derandomize=True, database=None, deadline=None, print_blob=True)
settings.register_profile("explore", max_examples=1000, database=None, deadline=None, print_blob=True)
settings.load_profile("deterministic")

pytest_plugins = ["tests.sandbox.fixtures", "tests.stack.launching"]
