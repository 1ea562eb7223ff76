"""The least of a list of values that fall and then rise, found by measuring few of them."""

from __future__ import annotations

from collections.abc import Callable


def section_search(count: int, measure: Callable[[int], float]) -> dict[int, float]:
    r"""Fibonacci's search: of F − 1 values, F a Fibonacci number, it measures log F/log 1.618.

    Two values inside an interval say which end of it the least is not in. Of the interval that is
    left, one value inside is measured already. Where values fall and then rise, the least of those
    measured is the least of all; no search measures fewer in the worst case: 4 of up to 7 values,
    5 of up to 12, 6 of up to 20. Values with noise may turn the search the wrong way where two of
    them are about equal; little is lost then, unless the least lies far below both.

    Args:
        count: How many values there are.
        measure: Gives the value of a number; it may be infinite.

    Returns:
        The values that were measured, by their number.

    Example:
        >>> found = section_search(12, lambda k: (k - 8.2) ** 2)
        >>> min(found, key=found.get), len(found)
        (8, 5)

    References:
        Kiefer, Sequential minimax search for a maximum, 1953.
    """
    sizes = [1, 1]
    while sizes[-1] - 1 < count:
        sizes.append(sizes[-1] + sizes[-2])
    found: dict[int, float] = {}
    # Places beyond the list are infinitely bad: so the interval may be longer than the list.
    before = -((sizes[-1] - 1 - count) // 2) - 1
    for near, far in zip(sizes[-3::-1], sizes[-2:0:-1], strict=False):
        inside = before + near, before + far
        for k in inside:
            if 0 <= k < count and k not in found:
                found[k] = float(measure(k))
        values = [found.get(k, float("inf")) for k in inside]
        if inside[0] < 0 or (values[1] < values[0] and inside[1] < count):
            before = inside[0]
    return found
