"""A sweep's file to a specification, or one line that says what is wrong with it."""

from __future__ import annotations

import difflib
import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from compiler.compress.recipe import parse_recipe
from hwsim.errors import InputError
from hwsim.files import reason
from hwsim.sweeps.space.parameter import Interval, Values
from hwsim.sweeps.space.recipe import check_recipe_name
from hwsim.sweeps.specification.schema import SweepFile
from hwsim.sweeps.specification.specification import Specification
from hwsim.sweeps.specification.vectorised import check_vectorised
from rtl.config import ArchConfig, load_arch, preset_names, settings
from rtl.strict_yaml import YamlError, parse_yaml

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from hwsim.sweeps.space.parameter import Parameter, Scalar

__all__ = ["load_specification", "make_specification"]

_MAX_FILE_BYTES = 1 << 20


def load_specification(path: Path) -> Specification:
    """The sweep in the file at ``path``.

    Raises:
        InputError, ConfigError, ModelError: it cannot be read, or says something that cannot be.

    """
    return make_specification(_tree(path, "sweep"), path.parent, str(path), default_name=path.stem)


def make_specification(tree: Any, folder: Path, origin: str, *, default_name: str = "sweep") -> Specification:
    """The sweep that ``tree``, as read from YAML, describes; paths in it are relative to ``folder``.

    Raises:
        InputError, ConfigError, ModelError: as :func:`load_specification`.

    """
    if not isinstance(tree, dict):
        raise InputError(f"{origin}: a sweep is a mapping of settings, not {type(tree).__name__}")
    if "model" in tree and "models" not in tree:
        raise InputError(f"{origin}: model is not a setting; did you mean models: [{tree['model']}]?")
    try:
        file = SweepFile.model_validate({"name": default_name, **tree})
    except ValidationError as error:
        raise InputError(f"{origin}: " + "; ".join(_explain(e) for e in error.errors()[:3])) from error
    try:
        specification = Specification(
            file,
            _arches(file, folder),
            _recipe(file, folder),
            _data(file, folder),
            {name: _model(name, folder) for name in file.models},
        )
        _check_parameters(specification)
        specification.check()
        if file.fidelity == "vectorised":
            check_vectorised(specification)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from error
    return specification


def _tree(path: Path, what: str) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise InputError(f"{path}: larger than {_MAX_FILE_BYTES} bytes, not a {what}")
    try:
        return parse_yaml(content.decode())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read: not text") from error
    except YamlError as error:
        raise InputError(f"{path}: {error}") from error


def _arches(file: SweepFile, folder: Path) -> dict[str, dict[str, Any]]:
    """The base, and those that the space names."""
    listed = file.space.get("arch", [])
    if isinstance(listed, dict):
        listed = listed.get("values", [])
    names = {file.arch: None, **dict.fromkeys(name for name in listed if isinstance(name, str))}
    return {name: load_arch(_located(name, folder, preset_names())).model_dump() for name in names}


def _located(name: str, folder: Path, known: list[str]) -> str:
    return name if name in known or Path(name).is_absolute() else str(folder / name) if "." in name else name


def _model(name: str, folder: Path) -> str:
    from workloads.registry import resolve

    located = str((folder / name).resolve()) if name.endswith(".onnx") else name
    workload = resolve(located)
    if workload.path is not None and not workload.path.is_file():
        raise InputError(f"models: {name}: there is no such file")
    return located


def _recipe(file: SweepFile, folder: Path) -> dict[str, Any] | None:
    if file.recipe is None:
        return None
    tree, origin = file.recipe, "recipe"
    if isinstance(tree, str):
        origin, tree = tree, _tree(folder / tree, "recipe")
    # The recipe as it is, whatever points make of it.
    parse_recipe(json.dumps(tree), origin)
    return tree


def _data(file: SweepFile, folder: Path) -> str:
    from hwsim.training.data import load_data

    located = str((folder / file.data).resolve()) if file.data.endswith(".npz") else file.data
    if file.recipe is not None or located != file.data:
        load_data(located)
    return located


def _check_parameters(specification: Specification) -> None:
    """Refuse names that no setting has, and values that none can take, before a thousand points fail for it."""
    for parameter in specification.space.parameters:
        name = parameter.name
        if name == "arch":
            _check_listed(parameter, tuple(specification.arches))
        elif name == "mapping":
            _check_listed(parameter, ("cycles", "energy", "edp"))
        elif name == "rows":
            _check_listed(parameter, ("balanced", "interleaved"))
        elif name.startswith("arch."):
            _check_field(parameter)
        elif name.startswith("recipe."):
            if specification.recipe is None:
                raise InputError(f"space.{name}: the sweep has no recipe that it could be a field of")
            check_recipe_name(specification.recipe, name)
        elif name not in ("seed", "model"):
            near = difflib.get_close_matches(name, [*(specification.space.settings() - {name})], n=1)
            hint = f"did you mean {near[0]}?" if near else "arch.<field>, recipe.<field>, arch, mapping, rows or seed"
            raise InputError(f"space.{name}: not a setting; {hint}")


def _check_listed(parameter: Parameter, known: tuple[str, ...]) -> None:
    values = parameter.values if isinstance(parameter, Values) else ()
    for value in values:
        if value not in known:
            raise InputError(f"space.{parameter.name}: {value!r} is not one of {', '.join(known)}")


def _check_field(parameter: Parameter) -> None:
    adapter = _field(parameter.name)
    ends = (parameter.low, parameter.high) if isinstance(parameter, Interval) else ()
    values: tuple[Scalar, ...] = parameter.values if isinstance(parameter, Values) else ends
    for value in values:
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
            raise InputError(f"space.{parameter.name}: {message} (got {value!r})") from error


def _field(name: str) -> TypeAdapter[Any]:
    """What checks a value of the architecture's field ``name``, as ``arch.dense.rows``.

    Raises:
        InputError: there is no such field.

    """
    part: type[BaseModel] = ArchConfig
    *groups, last = name.split(".")[1:]
    for position, step in enumerate(groups):
        found = _known(settings(part), step, name)
        if found is None:
            raise InputError(f"space.{name}: arch.{'.'.join(groups[: position + 1])} is a value and has no parts")
        part = found
    inner = _known(settings(part), last, name)
    if inner is not None:
        raise InputError(f"space.{name}: a group of settings; name one of {', '.join(settings(inner))}")
    field = next(info for key, info in part.model_fields.items() if (info.alias or key) == last)
    return TypeAdapter(typing.cast("Any", _annotated(field)))


def _known(parts: dict[str, type[BaseModel] | None], step: str, name: str) -> type[BaseModel] | None:
    """The part called ``step``; None if it is a value.

    Raises:
        InputError: there is none.

    """
    if step not in parts:
        near = difflib.get_close_matches(step, list(parts), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(parts)}"
        raise InputError(f"space.{name}: the architecture has no {step}; {hint}")
    return parts[step]


def _annotated(field: FieldInfo) -> Any:
    """A field's type with its limits."""
    return typing.Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _explain(error: ErrorDetails) -> str:
    where = ".".join(map(str, error["loc"])) or "sweep"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, list(SweepFile.model_fields), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(SweepFile.model_fields)}"
        return f"{where} is not a setting; {hint}"
    if error["type"] == "missing":
        return f"{where} is missing"
    given = repr(error["input"])
    shown = given if len(given) <= 80 else given[:77] + "..."
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]} (got {shown})"
