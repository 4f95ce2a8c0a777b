"""Methods and their settings as a recipe writes them: a name, or a mapping of ``name`` and settings."""

from __future__ import annotations

import dataclasses
import difflib
from functools import cache
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from compiler.compress.registry import Registry
from compiler.errors import ModelError

__all__ = ["build", "explain"]

Method = TypeVar("Method")


def build(registry: Registry[type[Method]], given: object) -> Method:
    """The method that ``given`` names, with the settings that it gives.

    Raises:
        ModelError: no such method or setting, or a value that it does not take; the message lists what there is.

    """
    name, settings = _parsed(registry.kind, given)
    method = registry[name]
    known = [field.name for field in dataclasses.fields(method)]  # pyright: ignore[reportArgumentType]
    where = f"{registry.kind} {name!r}"
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
            raise ModelError(f"{where}: {key!r} is not a setting; {hint}")
    try:
        checked = _model(method).model_validate(settings)
    except ValidationError as error:
        raise ModelError(f"{where}: {explain(error)}") from error
    return method(**{key: getattr(checked, key) for key in settings})


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, on one line."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":
        message = first["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    given = repr(first["input"])
    shown = given if len(given) <= 80 else given[:77] + "..."
    return f"{where}: {first['msg'][0].lower()}{first['msg'][1:]} (got {shown})"


def _parsed(kind: str, given: object) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return given, {}
    if isinstance(given, dict) and isinstance(given.get("name"), str):
        return given["name"], {key: value for key, value in given.items() if key != "name"}
    raise ModelError(f"{kind}: is a name, or a mapping with a name and settings, not {given!r}")


@cache
def _model(method: type) -> type[BaseModel]:
    """A strict model of a frozen dataclass' fields."""
    hints = get_type_hints(method)
    fields: dict[str, Any] = {f.name: (hints[f.name], f.default) for f in dataclasses.fields(method)}
    return create_model(method.__name__, __config__=ConfigDict(strict=True, extra="forbid"), **fields)
