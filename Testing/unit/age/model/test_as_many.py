"""How many numbers lie outside at once is judged by how many do in healthy people."""

import numpy as np
import pytest
from RegionalBrainAgeLib.age.model.as_many import share_with_as_many, shares_with_as_many


def test_shares_are_counted_person_by_person():
    outside = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)
    assert shares_with_as_many(outside) == [1.0, 0.75, 0.5, 0.25]


def test_of_independent_numbers_as_many_lie_outside_as_the_binomial_says():
    from scipy.stats import binom

    outside = np.random.default_rng(0).random((200_000, 18)) < 0.1
    assert shares_with_as_many(outside) == pytest.approx(binom.sf(np.arange(19) - 1, 18, 0.1), abs=0.005)


@pytest.mark.parametrize(
    ("outside", "estimable", "share"), [(0, 4, 1.0), (2, 4, 0.3), (1, 2, 0.3), (4, 4, 0.0), (3, 4, 0.2)]
)
def test_a_count_of_fewer_numbers_is_judged_by_its_part_of_them(outside, estimable, share):
    assert share_with_as_many([1.0, 0.5, 0.3, 0.2, 0.0], outside, estimable) == pytest.approx(share)


def test_without_any_number_there_is_no_share():
    assert np.isnan(share_with_as_many([1.0, 0.5], 0, 0))
