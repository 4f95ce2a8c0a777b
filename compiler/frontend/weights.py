"""Initializers as arrays, with the size, the type and the place of their data checked before they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.frontend.limits import MAX_ELEMENTS, element_count

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["to_array"]


def to_array(
    path: Path, tensor: onnx.TensorProto, owner: str, beside: Mapping[str, NDArray] = MappingProxyType({})
) -> NDArray:
    """The value of ``tensor``, which messages call ``owner``, of the model at ``path``; not to be written to.

    ``beside`` are arrays that a container has in memory, by the location that external data names.

    Raises:
        ModelError: if the tensor is too large, its data does not fit its shape and type, lies outside the model's
            folder, or has values that are not numbers.

    """
    import onnx
    from onnx import numpy_helper

    where = f"{path}: {owner}"
    shape = tuple(tensor.dims)
    count = element_count(shape)
    if not 0 <= count <= MAX_ELEMENTS:
        raise ModelError(f"{where} has the shape {list(shape)}; at most {MAX_ELEMENTS} elements are accepted")
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError as error:
        raise ModelError(f"{where} has the unknown data type {tensor.data_type}") from error
    if dtype.kind == "O":
        raise ModelError(f"{where} holds strings")
    if (array := beside.get(_location(tensor))) is not None:
        if (array.shape, array.dtype) != (shape, dtype):
            raise ModelError(
                f"{where} is {dtype} {list(shape)}, and the array beside the model {array.dtype} {list(array.shape)}"
            )
        return _checked(array, where)
    if (data := _raw(path, tensor, where)) is not None:
        _check_bytes(data.size, tensor, count, dtype, where)
        if dtype.kind in "iuf" and _bits(tensor.data_type, dtype) == 8 * dtype.itemsize:
            # Gigabytes of external data stay in the file until they are looked at.
            return _checked(np.asarray(data).view(dtype.newbyteorder("<")).reshape(shape), where)
        proto = onnx.TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=data.tobytes())
    else:
        proto = tensor
        _check_length(proto, count, dtype, where)
    try:
        array = np.asarray(numpy_helper.to_array(proto))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{where}: {error}") from error
    return _checked(array, where)


def _raw(path: Path, tensor: onnx.TensorProto, where: str) -> NDArray[np.uint8] | None:
    """The bytes of ``tensor`` where it is stored as bytes, and None where as values."""
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _external(path, tensor, where)
    if tensor.HasField("segment"):
        raise ModelError(f"{where} is a segment of a tensor, which is not supported; save it whole")
    # Read once: the field is copied every time.
    return np.frombuffer(tensor.raw_data, np.uint8) if tensor.HasField("raw_data") else None


def _checked(array: NDArray, where: str) -> NDArray:
    if array.dtype.kind == "f" and not _usable(array):
        raise ModelError(f"{where} has NaN or infinite values; the model was not trained or saved properly")
    return array


def _usable(array: NDArray) -> bool:
    """Whether every value is a number, and finite where there are several: a lone infinity is a bound."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = array.sum(dtype=np.float64)  # finite unless a value is not, or float64 values are absurdly large
    return bool(np.isfinite(total) or (array.size == 1 and not np.isnan(total)))


def _check_length(tensor: onnx.TensorProto, count: int, dtype: np.dtype, where: str) -> None:
    import onnx

    bits = _bits(tensor.data_type, dtype)
    have = len(getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type)))
    need = count if bits >= 8 else (count * bits + 7) // 8
    if np.issubdtype(dtype, np.complexfloating):
        need *= 2
    if have != need:
        raise ModelError(f"{where} has {have} values of data where its shape {list(tensor.dims)} needs {need}")


def _check_bytes(have: int, tensor: onnx.TensorProto, count: int, dtype: np.dtype, where: str) -> None:
    need = (count * _bits(tensor.data_type, dtype) + 7) // 8
    if have != need:
        raise ModelError(f"{where} has {have} bytes of data where its shape {list(tensor.dims)} needs {need}")


def _bits(data_type: int, dtype: np.dtype) -> int:
    import onnx

    packed = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
    return packed.get(onnx.TensorProto.DataType.Name(data_type), dtype.itemsize * 8)


def _location(tensor: onnx.TensorProto) -> str:
    """Where the external data of ``tensor`` is; empty if it has none."""
    import onnx

    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return ""
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _external(path: Path, tensor: onnx.TensorProto, where: str) -> NDArray[np.uint8]:
    """The bytes of a tensor in a file beside the model, as a view of the file."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.resolve().parent
    location = _location(tensor)
    if not location or "\0" in location:
        raise ModelError(f"{where}: its external data has no file name")
    data = (folder / location).resolve()
    if not data.is_relative_to(folder):
        raise ModelError(f"{where}: its external data {location!r} leaves the model's folder")
    if not data.is_file():
        raise ModelError(f"{where}: its external data file {location!r} does not exist")
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", "-1"))
    except ValueError as error:
        raise ModelError(f"{where}: offset or length of its external data is not a number") from error
    size = data.stat().st_size
    length = size - offset if length == -1 else length
    if offset < 0 or length < 0 or offset + length > size:
        raise ModelError(f"{where}: bytes {offset}..{offset + length} are not in {location!r}, which has {size}")
    if length == 0:
        return np.empty(0, np.uint8)
    return np.memmap(data, np.uint8, "r", offset, (length,))
