from __future__ import annotations

import numpy as np
import pytest

from compiler.ir import Layout, hwc_shape


@pytest.mark.parametrize(
    ("shape", "hwc"),
    [((1, 3, 4, 5), (4, 5, 3)), ((1, 3, 5), (1, 5, 3)), ((1, 7), (1, 1, 7)), ((7,), (1, 1, 7)), ((), (1, 1, 1))],
)
def test_images_are_channels_last(shape: tuple[int, ...], hwc: tuple[int, int, int]):
    assert hwc_shape(shape) == hwc
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    layout = Layout.natural(shape)
    value = layout.scatter(array, hwc)
    if len(shape) == 4:
        np.testing.assert_array_equal(value, array[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(layout.gather(value), array)


def test_rows_of_a_matrix_lie_along_the_width():
    assert hwc_shape((2, 5, 7), channels_last=True) == (1, 10, 7)
    array = np.arange(70).reshape(2, 5, 7)
    value = Layout.natural((2, 5, 7), channels_last=True).scatter(array, (1, 10, 7))
    np.testing.assert_array_equal(value[0], array.reshape(10, 7))


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 2, 3, 4, 5)])
def test_a_batch_is_no_image(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"^a tensor \[.*\] is not one image$"):
        Layout.natural(shape)


def test_transposes_and_reshapes_change_only_the_map():
    array = np.arange(60).reshape(1, 3, 4, 5)
    layout = Layout.natural(array.shape)
    value = layout.scatter(array, (4, 5, 3))
    moved = layout.transpose((0, 2, 3, 1)).reshape((5, 12)).transpose()
    np.testing.assert_array_equal(moved.gather(value), array.transpose(0, 2, 3, 1).reshape(5, 12).T)
    assert layout.transpose((0, 2, 3, 1)).transpose((0, 3, 1, 2)).same(layout)
    assert not layout.same(layout.transpose((0, 1, 3, 2)))
