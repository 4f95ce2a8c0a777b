"""Which weights to remove: the smallest, except those that the layer's output misses most.

Yang, Chen and Sze, CVPR 2017, section 4.3: magnitude removes more than it should, and the output error decides what
comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from compiler.compress.linear_problem import Problem

__all__ = ["EXCESS", "largest", "restore_channels", "restore_elements"]

EXCESS = 0.25
"""The part of what is to be kept that magnitude removes first, for the output error to bring back."""

_ROUNDS = 4
"""In so many steps are elements restored, each seeing what the ones before repaired."""


def largest(scores: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """The ``count`` largest, in the shape of ``scores``; of equal ones the first."""
    chosen = np.zeros(scores.size, bool)
    chosen[np.argsort(-scores.reshape(-1), kind="stable")[:count]] = True
    return chosen.reshape(scores.shape)


def restore_channels(
    problems: Sequence[tuple[Problem, NDArray[np.int64]]], scores: NDArray[np.float64], count: int
) -> NDArray[np.bool_]:
    """Of channels scored by magnitude ``[channels]`` (-inf: gone already), the ``count`` to keep.

    Each of ``problems`` is a layer that reads them, and the channel (-1: another's) of each of its inputs ``[d]``.
    Channels come back one at a time: always the one that, with the weights that it had, reduces the relative errors of
    the readers most.
    """
    kept = largest(scores, count - int(EXCESS * count))
    state = [_Residual(problem, channels, kept) for problem, channels in problems]
    while kept.sum() < count:
        gain = np.sum([residual.gains(len(kept)) for residual in state], axis=0)
        gain[kept | np.isneginf(scores)] = -np.inf
        back = int(np.argmax(gain))
        if np.isneginf(gain[back]):
            break
        kept[back] = True
        for residual in state:
            residual.restore(back)
    return kept


class _Residual:
    """A reader's ``X^T (Y - X W)`` while inputs come back."""

    def __init__(self, problem: Problem, channels: NDArray[np.int64], kept: NDArray[np.bool_]) -> None:
        self._problem, self._channels = problem, channels
        rows = (channels < 0) | kept[channels]
        self._missing = problem.cross - problem.gram[:, rows] @ problem.weights[rows]

    def gains(self, count: int) -> NDArray[np.float64]:
        """By how much each of ``count`` channels would reduce the relative error."""
        p = self._problem
        gain = np.zeros(count)
        for channel in np.unique(self._channels[self._channels >= 0]):
            rows = np.flatnonzero(self._channels == channel)
            weights = p.weights[rows]
            gain[channel] = 2 * np.vdot(weights, self._missing[rows])
            gain[channel] -= np.vdot(weights, p.gram[np.ix_(rows, rows)] @ weights)
        return gain / (p.square or 1.0)

    def restore(self, channel: int) -> None:
        """Take a channel back."""
        rows = np.flatnonzero(self._channels == channel)
        self._missing -= self._problem.gram[:, rows] @ self._problem.weights[rows]


def restore_elements(problem: Problem, present: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Of the weights ``present`` ``[d, f]``, the ``count`` to keep: by magnitude, then by output error."""
    scores = np.where(present, np.abs(problem.weights), -np.inf)
    count = min(count, int(present.sum()))
    start = count - int(EXCESS * count)
    kept = largest(scores, start)
    for number in range(1, _ROUNDS + 1):
        goal = start + (count - start) * number // _ROUNDS
        missing = problem.cross - problem.gram @ np.where(kept, problem.weights, 0.0)
        gain = problem.weights * (2 * missing - problem.weights * np.diag(problem.gram)[:, None])
        gain[kept | ~present] = -np.inf
        kept = kept | largest(gain, goal - int(kept.sum()))
    return kept
