"""A compiled network: instructions, memory image, and where its tensors lie in DRAM."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from compiler.errors import ModelError
from rtl.isa import INSTRUCTION_BYTES, End, Instruction, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["HostStep", "LayerInfo", "Placement", "Program", "Segment"]

PAGE = 4096
"""Program and window start on a multiple of this."""


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One job of the accelerator; its index is the ``layer`` field of its instructions."""

    name: str
    op: str
    target: str
    """Tensor that it writes."""
    channels: tuple[int, int]
    """First channel of ``target`` that it writes, and the one behind the last."""
    macs: int
    out_shape: tuple[int, int, int]
    resident: bool
    """The output stays in the OFM scratchpad for the layers that read it."""
    engine: Literal["dense", "sparse"] = "dense"


@dataclass(frozen=True, slots=True)
class Placement:
    """A tensor in DRAM: dense ``[height, width, channels]`` int8 from byte ``address`` of the window on."""

    address: int
    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True, slots=True)
class Segment:
    """Instructions that run without the host, END included, at ``address`` of the image."""

    instructions: tuple[Instruction, ...]
    address: int


@dataclass(frozen=True, slots=True)
class HostStep:
    """An operator of the graph that the host runs, by name."""

    operator: str
    op_type: str
    reason: str
    read_bytes: int = 0
    """What it reads of tensors and of its own constants: int8 as bytes, floats as four."""
    write_bytes: int = 0


@dataclass(frozen=True, eq=False)
class Program:
    """Everything the hardware needs to run a network, and what a host needs to feed it.

    ``image`` (made when it is first asked for: timing needs none) is the DRAM window from byte 0: constants, room for
    tensors, and behind the window (from ``window_bytes`` on) the instructions, which no instruction can overwrite.
    """

    rtl_hash: str
    """Configuration that it was compiled for."""
    layers: tuple[LayerInfo, ...]
    steps: tuple[Segment | HostStep, ...]
    tensors: dict[str, Placement]
    make_image: Callable[[], NDArray[np.uint8]]
    window_bytes: int

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """Memory before the run, tensors zero."""
        return self.make_image()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The parts that run on the accelerator, in order."""
        return tuple(step for step in self.steps if isinstance(step, Segment))

    def place(self, image: NDArray[np.uint8], tensor: str, value: NDArray[np.int8]) -> None:
        """Write ``value`` (HWC) into a copy of the image."""
        at = self.tensors[tensor]
        if value.size != at.size:
            raise ValueError(f"{tensor} takes {at.shape}, not {value.shape}")
        image[at.address : at.address + at.size] = np.ascontiguousarray(value, np.int8).view(np.uint8).ravel()

    def fetch(self, image: NDArray[np.uint8], tensor: str) -> NDArray[np.int8]:
        """Read a tensor (HWC) out of the image."""
        at = self.tensors[tensor]
        return image[at.address : at.address + at.size].view(np.int8).reshape(at.shape).copy()

    def save(self, path: Path) -> None:
        """Write one file that :meth:`load` reads back; atomically."""
        meta = {
            "format": 1,
            "rtl_hash": self.rtl_hash,
            "window_bytes": self.window_bytes,
            "layers": [asdict(layer) for layer in self.layers],
            "tensors": {name: asdict(at) for name, at in self.tensors.items()},
            "steps": [
                asdict(step)
                if isinstance(step, HostStep)
                else {"address": step.address, "instructions": len(step.instructions)}
                for step in self.steps
            ],
        }
        partial = path.with_name(path.name + ".partial")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("program.json", json.dumps(meta, indent=1))
            file.writestr("image.bin", self.image.tobytes())
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> Program:
        """The program that :meth:`save` wrote.

        Raises:
            ModelError: not such a file.

        """
        try:
            with zipfile.ZipFile(path) as file:
                meta = json.loads(file.read("program.json"))
                image = np.frombuffer(file.read("image.bin"), np.uint8).copy()
            program = Program(
                rtl_hash=meta["rtl_hash"],
                layers=tuple(
                    LayerInfo(**{**x, "out_shape": tuple(x["out_shape"]), "channels": tuple(x["channels"])})
                    for x in meta["layers"]
                ),
                steps=tuple(_step(x, image) for x in meta["steps"]),
                tensors={n: Placement(x["address"], tuple(x["shape"])) for n, x in meta["tensors"].items()},
                make_image=lambda: image,
                window_bytes=meta["window_bytes"],
            )
            program._check()
        except _UNREADABLE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(f"{path}: not a compiled program: {reason}") from error
        return program

    def _check(self) -> None:
        """Raise ValueError where something lies outside the image."""
        if not 0 <= self.window_bytes <= self.image.size:
            raise ValueError(f"the window of {self.window_bytes} bytes exceeds the image of {self.image.size}")
        for name, at in self.tensors.items():
            if at.address < 0 or min(at.shape) < 1 or at.address + at.size > self.window_bytes:
                raise ValueError(f"tensor {name!r} lies outside the window")
        for segment in self.segments:
            if not segment.instructions or not isinstance(segment.instructions[-1], End):
                raise ValueError(f"the instructions at {segment.address} do not end")


# A damaged archive surfaces as any of these, and so does JSON that is not what `save` writes.
_UNREADABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
    *(AttributeError, KeyError, TypeError, ValueError),
)


def _step(x: dict, image: NDArray[np.uint8]) -> Segment | HostStep:
    if "operator" in x:
        return HostStep(**x)
    words = image[x["address"] : x["address"] + x["instructions"] * INSTRUCTION_BYTES].tobytes()
    parts = (words[i : i + INSTRUCTION_BYTES] for i in range(0, len(words), INSTRUCTION_BYTES))
    return Segment(tuple(decode(int.from_bytes(part, "little")) for part in parts), x["address"])


def encode_all(instructions: list[Instruction]) -> NDArray[np.uint8]:
    """The bytes of a program."""
    words = b"".join(encode(i).to_bytes(INSTRUCTION_BYTES, "little") for i in instructions)
    return np.frombuffer(words, np.uint8)
