"""Networks after a recipe: compressed once for all points, runs and workers that ask for the same."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from compiler.compress.recipe import Recipe
from compiler.compress.settings import explain
from compiler.errors import ModelError
from hwsim.compression.api import compress
from hwsim.sweeps.evaluation.cache import Cache, content_hash, source_hash
from hwsim.training.data import load_data

if TYPE_CHECKING:
    from hwsim.sweeps.evaluation.settings import Settings
    from hwsim.training.data import DataSet

__all__ = ["compressed", "recipe_of"]

_HEAD_BYTES = 8
"""An entry is the length of its JSON, its JSON, and the ONNX file."""


def recipe_of(settings: Settings) -> Recipe:
    """The recipe of a point; its seed is the point's, if it names none itself.

    Raises:
        ModelError: its settings do not go together.

    """
    try:
        return Recipe.model_validate({"seed": settings.seed, **(settings.recipe or {})})
    except ValidationError as error:
        raise ModelError(f"recipe: {explain(error)}") from error


def compressed(settings: Settings, model: bytes, cache: Cache) -> tuple[bytes, dict[str, float]]:
    """The ONNX file that the recipe makes of a point's model, and its figures.

    What is killed while it trains goes on from its last epoch, wherever it is asked for next.

    Raises:
        ModelError, InputError, ToolError: the recipe cannot be followed; it diverged.

    """
    recipe = recipe_of(settings)
    # Only energies know the hardware.
    guide = settings.config if _guided(recipe) else None
    key = content_hash(
        model,
        recipe.model_dump(),
        _data_content(settings.data),
        None if guide is None else guide.model_dump(exclude={"name"}),
        source_hash(),
    )

    def make() -> bytes:
        checkpoints = cache.folder / "checkpoints" / key
        checkpoints.mkdir(parents=True, exist_ok=True)
        found = compress(
            settings.located, recipe, data=_data(settings.data, recipe.seed), arch=guide, checkpoints=checkpoints
        )
        figures = {"weights_kept": float(found.kept)}
        if found.storage:
            figures["stored_bytes"] = sum(layer.bits_pqh for layer in found.storage) / 8
        head = json.dumps(figures).encode()
        return len(head).to_bytes(_HEAD_BYTES, "big") + head + found.model.SerializeToString(deterministic=True)

    entry = cache.obtain("network", key, make)
    length = int.from_bytes(entry[:_HEAD_BYTES], "big")
    return entry[_HEAD_BYTES + length :], json.loads(entry[_HEAD_BYTES : _HEAD_BYTES + length])


def _guided(recipe: Recipe) -> bool:
    scores: list[Any] = [getattr(step, "score", None) for step in recipe.steps]
    return any((s.get("name") if isinstance(s, dict) else s) == "energy" for s in scores)


@functools.lru_cache(maxsize=4)
def _data(given: str, seed: int) -> DataSet:
    return load_data(given, seed)


@functools.lru_cache(maxsize=4)
def _data_content(given: str) -> str:
    path = Path(given)
    return content_hash(path.read_bytes()) if path.suffix == ".npz" and path.is_file() else given
