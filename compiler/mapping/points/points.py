"""Architectures as columns: a base, and for each setting that varies an array of its values."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from rtl.config import ArchConfig, ConfigError, explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Points"]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """``base``, but for ``settings`` (``dense.rows``, ``memory.ifm_kib``, ``clock_mhz`` ...): ``[points]`` by name."""

    base: ArchConfig
    settings: Mapping[str, NDArray]

    def __post_init__(self) -> None:
        if len({len(values) for values in self.settings.values()}) != 1:
            raise ConfigError("the settings of points are arrays of one length, and at least one of them")
        for name in self.settings:
            self._default(name)

    @staticmethod
    def grid(base: ArchConfig, axes: Mapping[str, Sequence[object]]) -> Points:
        """Every combination of values, the last axis fastest."""
        columns = zip(*itertools.product(*axes.values()), strict=True)
        return Points(base, {name: np.array(column) for name, column in zip(axes, columns, strict=True)})

    def __len__(self) -> int:
        return len(next(iter(self.settings.values())))

    def column(self, name: str) -> NDArray:
        """``[points]``: the values of a setting, varied or not."""
        found = self.settings.get(name)
        return np.full(len(self), self._default(name)) if found is None else found

    def numbers(self, names: Sequence[str]) -> NDArray[np.int64]:
        """``[points, names]``: columns side by side; values that are no numbers are numbered as they come."""
        columns = (self.column(name) for name in names)
        return np.stack([c if c.dtype.kind in "iu" else np.unique(c, return_inverse=True)[1] for c in columns], axis=1)

    def alike(self, names: Sequence[str]) -> tuple[Points, NDArray[np.int64]]:
        """One point for each combination of ``names``, all else as in the base; ``[points]``: which one each point is.

        ``names`` are settings that vary.
        """
        if not names:
            return Points(self.base, {"clock_mhz": np.array([self.base.clock_mhz])}), np.zeros(len(self), np.int64)
        _, first, inverse = np.unique(self.numbers(names), axis=0, return_index=True, return_inverse=True)
        return Points(self.base, {name: self.settings[name][first] for name in names}), inverse.ravel()

    def config(self, point: int) -> ArchConfig:
        """The architecture of a point.

        Raises:
            ConfigError: it cannot be built.

        """
        return self._config(point, self.settings)

    def only(self, name: str, point: int) -> ArchConfig:
        """The base with one setting of a point.

        Raises:
            ConfigError: that value cannot be.

        """
        return self._config(point, [name])

    def _config(self, point: int, names: Iterable[str]) -> ArchConfig:
        tree = self.base.model_dump(by_alias=True)
        for name in names:
            *parts, last = name.split(".")
            node = tree
            for part in parts:
                node = node[part]
            node[last] = self.settings[name][point].item()
        try:
            return ArchConfig.model_validate(tree)
        except ValidationError as error:
            raise ConfigError("; ".join(explain(e) for e in error.errors()[:3])) from error

    def _default(self, name: str) -> object:
        node: object = self.base.model_dump(by_alias=True)
        for part in name.split("."):
            if not isinstance(node, dict) or part not in node:
                raise ConfigError(f"{name} is not a setting of {self.base.name}")
            node = node[part]
        return node
