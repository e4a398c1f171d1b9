"""The answer comes in time whatever hangs, and no wait outlives the deadline."""

import pytest

from tests.faults.bench import shared_bench
from tests.faults.deadline import DEADLINE, MINUTE, SPARE
from tests.faults.rows import Row


@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", DEADLINE, ids=lambda row: row.name)
def test_the_answer_comes_with_time_to_spare_and_says_what_is_missing(row: Row, request: pytest.FixtureRequest) -> None:
    assert (row.remaining, row.within) == (MINUTE, MINUTE - SPARE)

    result = shared_bench(request).result(row)

    assert not result.problems, str(result)
