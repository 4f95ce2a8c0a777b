"""Data sets: split without overlap, read from files, refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.source import float_graph
from hwsim.errors import InputError
from hwsim.training.data import Part, fit_to, load_data
from workloads.registry import resolve


def _rows(part: Part) -> set[bytes]:
    return {image.tobytes() for image in part.x}


def test_digits_keep_the_workloads_test_images_and_share_none():
    data = load_data("digits")
    assert [len(p) for p in (data.train, data.validation, data.test)] == [1150, 287, 360]
    assert data.classes == 10
    np.testing.assert_array_equal(data.test.x, resolve("digits-cnn").test_set().inputs)
    for a, b in ((data.train, data.validation), (data.train, data.test), (data.validation, data.test)):
        assert not _rows(a) & _rows(b)


def test_a_file_is_split_by_the_seed(tmp_path):
    path = tmp_path / "mine.npz"
    x = np.arange(40 * 4).reshape(40, 4).astype(np.uint8)
    np.savez(path, x=x, y=np.arange(40) % 3)
    data, again, other = load_data(str(path)), load_data(str(path)), load_data(str(path), seed=1)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [24, 8, 8]
    assert data.train.x.max() <= 1.0, "uint8 becomes 0..1"
    np.testing.assert_array_equal(data.train.x, again.train.x)
    assert not np.array_equal(data.train.x, other.train.x)
    assert len(_rows(data.train) | _rows(data.validation) | _rows(data.test)) == 40


def test_a_file_may_bring_its_own_test(tmp_path):
    path = tmp_path / "mine.npz"
    x = np.random.default_rng(0).random((20, 4))
    np.savez(path, x=x, y=np.zeros(20, int), x_test=x[:10] + 1, y_test=np.ones(10, int))
    data = load_data(str(path))
    assert (len(data.train), len(data.validation)) == (16, 4)
    np.testing.assert_array_equal(data.test.y, np.ones(10))


X, Y = np.zeros((12, 4)), np.zeros(12, int)
WRONG = [
    ({"images": X}, r"mine.npz: holds images; x \[n, ...\] and y \[n\] are needed$"),
    ({"x": X, "y": Y[:5]}, r"mine.npz: x is \[12, 4\] and y \[5\]; x"),
    ({"x": X[:5], "y": Y[:5]}, r"mine.npz: 5 samples are too few to split; 10 are needed$"),
    ({"x": X, "y": Y - 1}, r"mine.npz: x must be numbers and y classes 0, 1"),
    ({"x": X, "y": Y + 0.5}, r"mine.npz: x must be numbers and y classes 0, 1"),
    ({"x": np.full((12, 4), np.nan), "y": Y}, r"mine.npz: x has NaN or infinite values$"),
    ({"x": X, "y": Y, "x_test": X}, r"mine.npz: x_test and y_test go together; one of them is missing$"),
]


@pytest.mark.parametrize(("arrays", "message"), WRONG)
def test_refuses_arrays_that_do_not_belong_together(arrays, message, tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(InputError, match=message):
        load_data(str(tmp_path / "mine.npz"))


def test_refuses_what_is_no_data(tmp_path):
    with pytest.raises(InputError, match=r"^unknown data set 'digit': known: digits, or a file .npz with x and y$"):
        load_data("digit")
    with pytest.raises(InputError, match=r"none.npz: cannot be read: no such file or directory$"):
        load_data(str(tmp_path / "none.npz"))
    (tmp_path / "bad.npz").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"bad.npz: not a file of NumPy arrays \(.npz\)$"):
        load_data(str(tmp_path / "bad.npz"))


def test_refuses_data_of_another_shape(tmp_path):
    graph = float_graph(resolve("digits-cnn").file(tmp_path))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "flat.npz", x=rng.random((20, 64)), y=np.arange(20) % 10)
    assert fit_to(graph, load_data(str(tmp_path / "flat.npz"))).train.x.shape == (12, 1, 8, 8)
    for shape in ((20, 4, 16), (20, 63)):
        np.savez(tmp_path / "other.npz", x=rng.random(shape), y=np.arange(20) % 10)
        with pytest.raises(InputError, match=r"takes \[1, 8, 8\] a sample, and other has \[(4, 16|63)\]$"):
            fit_to(graph, load_data(str(tmp_path / "other.npz")))
    np.savez(tmp_path / "more.npz", x=rng.random((20, 8, 8)), y=np.arange(20))
    with pytest.raises(InputError, match=r"tells 10 classes apart, and more has 20$"):
        fit_to(graph, load_data(str(tmp_path / "more.npz")))
