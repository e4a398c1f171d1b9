"""Faults: each one struck at each point where it can strike, and everything that must come of it.

`README.md` says what is where; `make tables` writes the matrix as it shows it.
"""
