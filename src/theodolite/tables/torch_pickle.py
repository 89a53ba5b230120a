"""The pickle inside a torch zip, read as a description: which tensors there are and where their numbers lie.

Nothing is imported, called or allocated on its behalf. The names of functions and classes stay names; those that
rebuild tensors are understood, those that torch's own weights-only loading allows besides are passed over, all others
refuse the file.
"""

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from theodolite.core.errors import FormatError, UnsafeFileError

_MOST_STEPS = 2_000_000  # about 40 for each tensor in real files
_MOST_VALUES = 1_000_000
_LONE = "tensor"
_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_TENSORS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"}
_WRAPPERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
_DICTS = {"collections.OrderedDict", "collections.Counter"}
_PASSED_OVER = {
    "torch.Size",
    "torch.device",
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_sparse_csr_tensor",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_nested_tensor",
    "torch._utils._rebuild_wrapper_subclass",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "_codecs.encode",
    "__builtin__.bytearray",
    "__builtin__.set",
    "__builtin__.complex",
    "builtins.bytearray",
    "builtins.set",
    "builtins.complex",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor as the pickle describes it.

    Attributes
    ----------
    key : str
        The member of the zip, below `data/`, that holds its numbers.
    dtype : str
        torch's word.
    offset : int
        Its first number in the member, counted in numbers.
    shape, strides : tuple of int
        As torch saved them.
    """

    key: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def reach(self) -> int:
        """Numbers from its first to the one after its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True))

    @property
    def n_bytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        dtype: torch.dtype = getattr(torch, self.dtype)
        return dtype.itemsize


@dataclass(frozen=True, slots=True)
class _Name:
    """A function or class that stays a name."""

    text: str


@dataclass(frozen=True, slots=True)
class _Storage:
    """A member of the zip, and what kind of numbers it holds."""

    key: str
    dtype: str


_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING")
_MARK = object()
_OPAQUE = object()


def read_state(path: Path, content: bytes) -> dict[str, StoredTensor]:
    """Return the tensors that a pickle describes.

    Parameters
    ----------
    path : pathlib.Path
        The file it is from, for messages.
    content : bytes
        `data.pkl` of a torch zip.

    Returns
    -------
    dict of str to StoredTensor
        Names joined with dots where dicts are nested. Tensors of other kinds (sparse, quantized) are left out.

    Raises
    ------
    UnsafeFileError
        If reading it fully would run code.
    FormatError
        If it is damaged, no description of tensors, or far longer than one.
    """
    try:
        value = _run(path, content)
    except FormatError:
        raise
    except Exception as error:  # a damaged pickle fails in every way there is
        raise FormatError(
            f"{path} is damaged: its pickle cannot be followed ({type(error).__name__}). Save the weights again."
        ) from error
    return flatten(path, value, StoredTensor)


def flatten(path: Path, value: Any, kind: type[Any]) -> dict[str, Any]:
    """Gather the values of a kind from nested dicts under dotted names; the usual wrappers leave no prefix.

    Raises
    ------
    FormatError
        If there are none, or endlessly many.
    """
    found: dict[str, Any] = {}
    open_: list[tuple[str, Any]] = [("", value)]
    seen = 0
    while open_:
        prefix, inner = open_.pop()
        seen += 1
        if seen > _MOST_VALUES:
            raise FormatError(f"{path} nests more than {_MOST_VALUES} values. It is damaged or made by hand.")
        if isinstance(inner, kind):
            found[prefix or _LONE] = inner
        elif isinstance(inner, dict) and prefix.count(".") < 16:
            wrapped = set(inner) & {"state_dict", "model_state_dict"} if not prefix else set()
            named = [
                ("" if key in wrapped else f"{prefix}.{key}" if prefix else key, one)
                for key, one in inner.items()
                if isinstance(key, str)
            ]
            open_ += reversed(named)
    if not found:
        raise FormatError(f"{path} holds no tensors but a {type(value).__name__}. Give a saved state dict.")
    return found


def _run(path: Path, content: bytes) -> Any:
    """Follow the pickle with a stack of descriptions."""
    machine = _Machine(path)
    for step, (opcode, arg, _) in enumerate(pickletools.genops(content)):
        if step > _MOST_STEPS:
            raise FormatError(
                f"The pickle of {path} has more than {_MOST_STEPS} steps, far more than a list of tensors takes. "
                "Save the weights again, as safetensors."
            )
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.step(opcode.name, arg)
    raise ValueError("no end")


class _Machine:
    """The stack of a pickle, holding descriptions where another would hold objects."""

    def __init__(self, path: Path) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._path = path
        self._known: dict[str, Callable[[Any], None]] = {
            "PROTO": lambda _: None,
            "MARK": lambda _: self.stack.append(_MARK),
            "NONE": lambda _: self.stack.append(None),
            "NEWTRUE": lambda _: self.stack.append(True),
            "NEWFALSE": lambda _: self.stack.append(False),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_SET": lambda _: self.stack.append(_OPAQUE),
            **dict.fromkeys(_VALUES, self.stack.append),
            **dict.fromkeys(("BINPUT", "LONG_BINPUT"), self._remember),
            **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda at: self.stack.append(self._memo[at])),
            **dict.fromkeys(("REDUCE", "NEWOBJ"), self._reduce),
            "GLOBAL": lambda text: self.stack.append(_named(self._path, text)),
            "BINPERSID": lambda _: self.stack.append(_storage(self.stack.pop())),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "TUPLE": lambda _: self.stack.append(tuple(self._above_mark())),
            "APPEND": lambda _: self._add([self.stack.pop()]),
            "APPENDS": lambda _: self._add(self._above_mark()),
            "SETITEM": lambda _: self._put([self.stack.pop(), self.stack.pop()][::-1]),
            "SETITEMS": lambda _: self._put(self._above_mark()),
            "BUILD": lambda _: self._drop(),
        }

    def step(self, name: str, arg: Any) -> None:
        """Do one step."""
        if name not in self._known:
            raise UnsafeFileError(
                f"The pickle of {self._path} uses {name}, which torch.save does not write, and following it could run "
                "code. Save the weights with torch.save or safetensors on a machine that trusts it."
            )
        self._known[name](arg)

    def _remember(self, at: int) -> None:
        self._memo[at] = self.stack[-1]

    def _drop(self) -> None:
        self.stack.pop()

    def _reduce(self, _: Any) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        self.stack.append(_reduced(function, args))

    def _tuple(self, n: int) -> None:
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def _above_mark(self) -> list[Any]:
        """Take what lies above the last mark, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def _add(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1] += items

    def _put(self, items: list[Any]) -> None:
        """Set pairs in a dict; keys that are no text or number name nothing that is looked for."""
        if isinstance(self.stack[-1], dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            self.stack[-1].update((key, value) for key, value in pairs if isinstance(key, str | int))


def _named(path: Path, text: str) -> _Name:
    """Return the name of a function or class, if torch's weights-only loading would allow it."""
    module, _, name = text.partition(" ")
    full = f"{module}.{name}"
    is_torch = module in ("torch", "torch.storage") and (
        name in _STORAGES or isinstance(getattr(torch, name, None), torch.dtype) or name.endswith("Storage")
    )
    if is_torch or full in _TENSORS | _WRAPPERS | _DICTS | _PASSED_OVER:
        return _Name(full)
    raise UnsafeFileError(
        f"{path} cannot be read without running code that is inside it (it asks for {full[:200]!r}), and theodolite "
        "never does that. Convert it to safetensors on a machine that trusts it: "
        "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
    )


def _reduced(function: Any, args: Any) -> Any:
    """Return what a known function would make, as a description."""
    name = function.text if isinstance(function, _Name) else ""
    if name in _DICTS:
        return {}
    if name in _WRAPPERS:
        return args[0]
    if name == "torch.Size":
        return tuple(args[0])
    if name in _TENSORS:
        return _tensor(name, args)
    return _OPAQUE


def _tensor(name: str, args: Any) -> StoredTensor:
    """Return the tensor that a rebuild function's arguments describe."""
    storage, offset, shape, strides = args[:4]
    dtype = storage.dtype
    if name.endswith("v3"):
        dtype = args[6].text.removeprefix("torch.")
    sizes = (offset, *shape, *strides)
    if (
        len(shape) != len(strides)
        or len(shape) > 64
        or not all(type(size) is int and 0 <= size < 1 << 63 for size in sizes)
    ):
        raise ValueError("no sizes")
    return StoredTensor(key=storage.key, dtype=dtype, offset=offset, shape=tuple(shape), strides=tuple(strides))


def _storage(pid: Any) -> Any:
    """Return the member of the zip that a persistent id names."""
    mark, kind, key = pid[:3]
    name = kind.text.rpartition(".")[2]
    if mark != "storage" or not isinstance(key, str):
        raise ValueError("no storage")
    return _Storage(key, _STORAGES[name]) if name in _STORAGES else _OPAQUE
