"""Fixtures for all tests."""

import os
import signal

from tests.environment import tidy

tidy(os.environ)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it sends to the background so, and programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.sandbox.fixtures"]
