"""A device that is not there: tensors on it keep their numbers in memory, and mix with others as on a graphics card.

What torch refuses on CUDA is refused here too: numpy's view of a tensor, tensors of two devices in one operation (but
for scalars and indices), products of whole numbers. What it allows, the processor computes. Not seen here: the order in
which a card adds, its memory, its speed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CARD = torch.device("meta")  # a kind of device that torch knows by name and does not start
_MOVES = {"aten._to_copy.default", "aten.copy_.default"}
_INDEXING = {"aten.index.Tensor", "aten.index_put_.default"}
_PRODUCTS = ("aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.mv", "aten.dot", "aten._int_mm")


class OnCard(torch.Tensor):
    """A tensor of the device."""

    held: torch.Tensor
    is_meta = False  # it does hold numbers

    @staticmethod
    def __new__(cls, held):
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=CARD
        )
        made.held = held
        return made

    def __init__(self, _):
        super().__init__()

    def numpy(self, **_):
        raise TypeError("can't convert a tensor of a device to numpy. Use Tensor.cpu() first.")

    __array__ = numpy

    def tolist(self):
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute an operation with the numbers, and say where the result is."""
    name = str(func)
    given = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    ours = [x for x in given if isinstance(x, OnCard)]
    others = [x for x in given if not isinstance(x, OnCard) and x.ndim > 0]
    if ours and others and name not in _MOVES and not (name in _INDEXING and isinstance(args[0], OnCard)):
        raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got some of two.")
    if ours and name.startswith(_PRODUCTS) and not ours[0].is_floating_point():
        raise RuntimeError(f"{name} is not implemented for whole numbers on the device.")
    asked = kwargs.get("device")
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(lambda x: x.held if isinstance(x, OnCard) else x, (args, kwargs))
    result = func(*plain_args, **plain_kwargs)
    if "out" in kwargs:
        return kwargs["out"]
    if func._schema.name.endswith("_"):
        return args[0]
    on_card = torch.device(asked).type == CARD.type if asked is not None else bool(ours)
    return tree_map(lambda x: OnCard(x) if on_card and isinstance(x, torch.Tensor) else x, result)


class _Factories(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


@contextmanager
def pretended_card() -> Iterator[torch.device]:
    """Let tensors be moved to the device and made there, inside."""
    with _Factories():
        yield CARD
