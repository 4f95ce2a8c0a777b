"""Networks by name: what ``MODEL`` means on the command line.

A name is that of a network which ships with the project or the onnx package, of a builder, or of a family with sizes
in it, such as ``gemm-512x512x512``. Anything that looks like a file is a file.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import onnx
    from numpy.typing import NDArray
    from onnx.model_container import ModelContainer

__all__ = ["LabelledSet", "Workload", "WorkloadError", "names", "resolve"]

# The front end accepts tensors up to this size too.
_MAX_ELEMENTS = 2**28

_GEMM = re.compile(r"gemm-(\d{1,10})x(\d{1,10})x(\d{1,10})")

_FOLDER = Path(__file__).parent


class WorkloadError(ValueError):
    """No such network. The message is one line and says what there is instead."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """Inputs ``[n, ...]`` of a classifier, and the class of each, ``[n]``."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workload:
    """A network to compile, and the data that goes with it. Nothing is loaded or built before it is asked for.

    Either ``path`` or ``build`` is given.
    """

    name: str
    description: str
    path: Path | None = None
    """The ONNX file, where there is one."""
    build: Callable[[], onnx.ModelProto | ModelContainer] | None = None
    """Makes the model, where there is no file; in a container where it has so many weights that copies take long."""
    calibration: Callable[[], NDArray[np.float32]] | None = None
    """Inputs ``[n, ...]`` to quantise a float model with; None if the model is quantised, or nothing is known of it."""
    test_set: Callable[[], LabelledSet] | None = None
    """Inputs that took no part in training or calibration."""
    sample: Callable[[int], NDArray] | None = None
    """An input ``[1, ...]`` for a seed, with as many zeros as the network meets in use; None if nothing is known of it.
    The time of the sparse engine depends on them."""
    synthetic: bool = False
    """Weights and calibration are made up: good for cost, meaningless for accuracy."""

    def file(self, folder: Path) -> Path:
        """The path of the ONNX file; written into ``folder`` where the model is built."""
        if self.path is not None:
            return self.path
        target = folder / f"{self.name.replace('/', '-')}.onnx"
        target.write_bytes(self.model().SerializeToString(deterministic=True))
        return target

    def source(self) -> Path | onnx.ModelProto | ModelContainer:
        """What the compiler loads: the file, or the model as it is built."""
        return self.path or (self.build or self.model)()

    def model(self) -> onnx.ModelProto:
        """The model itself, read or built."""
        if self.build is not None:
            import onnx

            from workloads.onnx_graph import embedded

            built = self.build()
            return built if isinstance(built, onnx.ModelProto) else embedded(built)
        if self.path is None:
            raise WorkloadError(f"workload {self.name!r} has neither a file nor a builder")
        import onnx

        return onnx.load(self.path)


def names() -> tuple[str, ...]:
    """The names of the networks that have no sizes in them, sorted."""
    return tuple(sorted(_NAMED))


def resolve(name: str) -> Workload:
    """The workload called ``name``, or the ONNX file at that path (which need not be valid, nor exist).

    Raises:
        WorkloadError: no such name; the message suggests the nearest.

    """
    if make := _NAMED.get(name):
        return make(name)
    if name.startswith("gemm-"):
        return _gemm(name)
    if name.endswith(".onnx") or _is_file(name):
        return Workload(name=Path(name).stem, description="a file", path=Path(name))
    close = difflib.get_close_matches(name.lower(), [*names(), "gemm-512x512x512"], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {', '.join(names())}, gemm-MxKxN"
    raise WorkloadError(f"unknown workload {_shown(name)}: {hint} (an ONNX file's name ends in .onnx)")


def _is_file(name: str) -> bool:
    try:
        return bool(name) and Path(name).exists()
    except OSError:  # too long for a path, say: then it is none
        return False


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:60] + "…")


def _gemm(name: str) -> Workload:
    if not (sizes := _GEMM.fullmatch(name)):
        raise WorkloadError(f"workload {_shown(name)} is not gemm-MxKxN with three whole numbers, as gemm-512x512x512")
    m, k, n = map(int, sizes.groups())
    if min(m, k, n) == 0 or max(m * k, k * n, m * n) > _MAX_ELEMENTS:
        raise WorkloadError(f"workload {name!r}: sizes must be positive and each matrix at most 2^28 elements")

    def build() -> onnx.ModelProto:
        from workloads.builders import gemm

        return gemm(m, k, n)

    return Workload(name=name, description=f"int8 matrix product [{m}, {k}] x [{k}, {n}]", build=build, synthetic=True)


def _digits(description: str, file: str, name: str) -> Workload:
    from workloads.digits import data  # light: scikit-learn is imported when the images are asked for

    def test_set() -> LabelledSet:
        digits = data.load()
        return LabelledSet(digits.test_x, digits.test_y)

    return Workload(
        name=name,
        description=description,
        path=_FOLDER / "digits" / file,
        calibration=data.calibration,
        test_set=test_set,
    )


def _built(description: str, function: str, shape: tuple[int, ...], name: str) -> Workload:
    def build() -> onnx.ModelProto:
        from workloads import builders

        return getattr(builders, function)()

    return Workload(name=name, description=description, build=build, calibration=partial(_noise, shape), synthetic=True)


def _eie(description: str, name: str) -> Workload:
    def build() -> ModelContainer:
        from workloads import eie

        return eie.model(name)

    def sample(seed: int) -> NDArray[np.int8]:
        from workloads import eie

        return eie.active_inputs(name, seed)

    return Workload(name=name, description=description, build=build, sample=sample, synthetic=True)


def _light(description: str, file: str, name: str) -> Workload:
    spec = importlib.util.find_spec("onnx")  # finds the package without importing it
    if spec is None or spec.origin is None:
        raise WorkloadError(f"workload {name!r} is a file of the onnx package, which is not installed")
    return Workload(
        name=name,
        description=description,
        path=Path(spec.origin).parent / "backend/test/data/light" / f"light_{file}.onnx",
        calibration=partial(_noise, _IMAGENET),
        synthetic=True,
    )


def _noise(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """One input of standard normal noise, the same each time; the first axis of ``shape`` is the batch's."""
    import numpy as np

    return np.random.default_rng(0).standard_normal(shape, np.float32)


_IMAGENET = (1, 3, 224, 224)
_MNIST = (1, 1, 28, 28)

_DIGITS = {
    "digits-cnn": ("convolutions, residual and pooling on 8x8 handwritten digits, trained", "digits_cnn.onnx"),
    "digits-mlp": ("three dense layers on 8x8 handwritten digits, trained", "digits_mlp.onnx"),
}

_BUILT: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "eyeriss-alexnet": ("AlexNet's convolutions as Eyeriss ran them, 227x227", "eyeriss_alexnet", (1, 3, 227, 227)),
    "eyeriss-vgg16": ("VGG-16's convolutions as Eyeriss ran them, 224x224", "eyeriss_vgg16", _IMAGENET),
    "gru": ("GRU of 128 units over 49 frames, and a classifier", "gru", (49, 1, 40)),
    "lenet-300-100": ("fully connected network of the compression papers", "lenet_300_100", _MNIST),
    "lenet-5": ("convolutional network of the compression papers (Caffe's)", "lenet_5", _MNIST),
    "lstm": ("LSTM of 128 units over 49 frames, and a classifier", "lstm", (49, 1, 40)),
    "mobilenet-v1": ("MobileNet v1 1.0, ImageNet at 224x224", "mobilenet_v1", _IMAGENET),
    "mobilenet-v2": ("MobileNet v2 1.0, ImageNet at 224x224", "mobilenet_v2", _IMAGENET),
    "transformer-block": ("encoder block of 64 tokens, width 256, 4 heads", "transformer_block", (1, 64, 256)),
    "xception": ("Xception, ImageNet at 299x299", "xception", (1, 3, 299, 299)),
}

# Fully connected layers of EIE Table III, pruned and weight-shared.
_EIE = {
    "eie/alex-6": "AlexNet's fc6 as EIE has it: 9216 to 4096, 9 % of weights, 35.1 % of inputs",
    "eie/alex-7": "AlexNet's fc7 as EIE has it: 4096 to 4096, 9 % of weights, 35.3 % of inputs",
    "eie/alex-8": "AlexNet's fc8 as EIE has it: 4096 to 1000, 25 % of weights, 37.5 % of inputs",
    "eie/vgg-6": "VGG-16's fc6 as EIE has it: 25088 to 4096, 4 % of weights, 18.3 % of inputs",
    "eie/vgg-7": "VGG-16's fc7 as EIE has it: 4096 to 4096, 4 % of weights, 37.5 % of inputs",
    "eie/vgg-8": "VGG-16's fc8 as EIE has it: 4096 to 1000, 23 % of weights, 41.1 % of inputs",
    "eie/nt-we": "NeuralTalk's We as EIE has it: 4096 to 600, 10 % of weights, all inputs",
    "eie/nt-wd": "NeuralTalk's Wd as EIE has it: 600 to 8791, 11 % of weights, all inputs",
    "eie/nt-lstm": "NeuralTalk's LSTM as EIE has it: 1201 to 2400, 10 % of weights, all inputs",
}

# The light models of the onnx package: full graphs, weights of ConstantOfShape.
_LIGHT = {
    "alexnet": ("AlexNet (Caffe's), ImageNet at 224x224", "bvlc_alexnet"),
    "densenet121": ("DenseNet-121, ImageNet at 224x224", "densenet121"),
    "inception-v1": ("Inception v1 (GoogLeNet), ImageNet at 224x224", "inception_v1"),
    "inception-v2": ("Inception v2, ImageNet at 224x224", "inception_v2"),
    "resnet50": ("ResNet-50, ImageNet at 224x224", "resnet50"),
    "shufflenet": ("ShuffleNet, ImageNet at 224x224", "shufflenet"),
    "squeezenet": ("SqueezeNet, ImageNet at 224x224", "squeezenet"),
    "vgg19": ("VGG-19, ImageNet at 224x224", "vgg19"),
    "zfnet512": ("ZFNet-512, ImageNet at 224x224", "zfnet512"),
}

_NAMED: dict[str, Callable[[str], Workload]] = {
    **{name: partial(_digits, *entry) for name, entry in _DIGITS.items()},
    **{name: partial(_built, *entry) for name, entry in _BUILT.items()},
    **{name: partial(_eie, description) for name, description in _EIE.items()},
    **{name: partial(_light, *entry) for name, entry in _LIGHT.items()},
}
