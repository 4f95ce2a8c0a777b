"""Arithmetic on arrays that repeat themselves."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.repeats import distinct, elementwise

FILLED = np.broadcast_to(np.float32(3), (64, 32, 3, 3))
PER_FILTER = np.broadcast_to(np.arange(64, dtype=np.float32).reshape(64, 1, 1, 1), (64, 32, 3, 3))
PLAIN = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(("array", "shape"), [(FILLED, (1, 1, 1, 1)), (PER_FILTER, (64, 1, 1, 1)), (PLAIN, (2, 3, 4))])
def test_only_what_differs_is_left(array: np.ndarray, shape: tuple[int, ...]):
    assert distinct(array).shape == shape
    np.testing.assert_array_equal(np.broadcast_to(distinct(array), array.shape), array)


def test_results_repeat_where_all_operands_do():
    product = elementwise(np.multiply, FILLED, PER_FILTER)
    np.testing.assert_array_equal(product, np.multiply(FILLED, PER_FILTER))
    assert product.strides[1:] == (0, 0, 0)


def test_an_operand_that_does_not_repeat_decides():
    scales = np.arange(3, dtype=np.float32).reshape(1, 3, 1)
    np.testing.assert_array_equal(elementwise(np.add, PLAIN, scales), PLAIN + scales)
