"""Losses and penalties against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compiler.compress.trainer import Penalty
from hwsim.errors import InputError
from hwsim.training.losses import distilled, penalty_of
from hwsim.training.settings import Distillation, Settings


def _softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_distillation_is_hintons():
    rng = np.random.default_rng(0)
    student, teacher, y = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), np.array([0, 1, 2, 0])
    t, share = 3.0, 0.4
    p, q = _softmax(teacher / t), _softmax(student / t)
    hard = -np.log(_softmax(student)[range(4), y]).mean()
    want = (1 - share) * hard + share * t**2 * (p * np.log(p / q)).sum(1).mean()
    got = distilled(
        torch.from_numpy(student),
        torch.from_numpy(y),
        torch.from_numpy(teacher),
        Distillation(temperature=t, share=share),
    )
    assert float(got) == pytest.approx(want)
    assert float(distilled(torch.from_numpy(student), torch.from_numpy(y), None, None)) == pytest.approx(hard)


def test_group_lasso_is_the_sum_of_norms():
    w = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    groups = np.repeat(np.arange(3), 2).reshape(3, 2)
    value = penalty_of(Penalty(0.1, {"w": groups}), {"w": w})
    assert value.item() == pytest.approx(0.1 * np.sqrt(2) * (5 + 0 + 1))
    value.backward()
    np.testing.assert_allclose(w.grad, 0.1 * np.sqrt(2) * np.array([[0.6, 0.8], [0, 0], [1, 0]]), rtol=1e-6)


def test_without_groups_it_is_the_l1_norm():
    w = torch.tensor([1.0, -2.0, 0.0], requires_grad=True)
    value = penalty_of(Penalty(0.5, {"w": None}), {"w": w})
    value.backward()
    assert value.item() == 1.5
    np.testing.assert_array_equal(w.grad, [0.5, -0.5, 0.0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0.0}, r"^rate must be above 0, not 0.0$"),
        ({"batch": 0}, r"^batch must be at least 1, not 0$"),
        ({"optimizer": "adamant"}, r"^optimizer 'adamant': known: adam, sgd$"),
        ({"schedule": "step"}, r"^schedule 'step': known: cosine, constant$"),
        ({"patience": 0}, r"^patience must be at least 1 epoch, not 0$"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        Settings(**settings)


def test_distillation_that_cannot_be():
    with pytest.raises(InputError, match=r"share in 0..1, not 4.0, 1.5"):
        Distillation(share=1.5)
