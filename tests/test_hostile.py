"""Answers that nobody should trust, through the real event contract against the real package."""

import pytest

from tests.faults.bench import shared_bench
from tests.faults.hostile import HOSTILE
from tests.faults.rows import Row


@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", HOSTILE, ids=lambda row: row.name)
def test_a_hostile_answer_leads_nowhere_and_leaves_no_trace_in_logs_and_reasons(
    row: Row, request: pytest.FixtureRequest
) -> None:
    result = shared_bench(request).result(row)

    assert not result.problems, str(result)
