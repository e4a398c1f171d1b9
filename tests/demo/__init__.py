"""`make demo`: the whole life of a stack on this machine, in under a minute, with a verdict."""
