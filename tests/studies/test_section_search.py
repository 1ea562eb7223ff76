"""The least of values that fall and then rise, by measuring few."""

import pytest

from taut.studies import section_search

MOST = {1: 1, 2: 2, 4: 3, 7: 4, 12: 5, 20: 6}


@pytest.mark.parametrize(("count", "most"), MOST.items())
def test_the_least_is_found_wherever_it_lies_by_so_few(count, most):
    for least in range(count):
        for before, after in ((1, 1), (1, 9), (9, 1), (1, float("inf"))):
            asked = []

            def value(k, least=least, before=before, after=after, asked=asked):
                asked.append(k)
                return 0.0 if k == least else (before if k < least else after) * abs(k - least)

            found = section_search(count, value)
            assert min(found, key=found.get) == least
            assert len(asked) == len(set(asked)) == len(found) <= most


def test_of_equal_values_the_search_goes_on_where_the_first_ones_are():
    found = section_search(12, lambda k: 0.0)
    assert 0 in found
    assert 11 not in found
