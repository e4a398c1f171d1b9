"""Faults: each one struck at each point where it can strike, and everything that must come of it.

matrix, hostile, deadline   the tables, as data; rows.Row says what the words mean
stand.Stand                 AWS, Falcon and CloudFormation's ear on loopback, and the real package in containers
runner.run                  one row: prepare, strike, look, and send what CloudFormation would send next
checks.problems             what is not as it must be
bench.Bench                 many rows at the same time, shared between test processes
table.render                the matrix as the README shows it; `python -m tests.faults` prints it
"""
