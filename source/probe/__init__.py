"""`make probe-live`: asks a real Falcon tenant what CrowdStrike's documentation leaves open.

questions   what is asked, and what our code and the simulator assume: data
survey      how each question is asked
falcon      the API, as plainly as possible: nothing of the function is used, so that none of its assumptions is
report      the answers beside the assumptions, without secrets
"""
