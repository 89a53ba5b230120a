"""Command that shows what a reference holds."""

from typing import TYPE_CHECKING

from theodolite.cli.amounts import size
from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.number_format import counted

if TYPE_CHECKING:
    from theodolite.tables import Inspection

_TENSORS_SHOWN = 40


def inspect(
    reference: str,
    *,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Show the tensors of a reference, which are embeddings, and how much would be read.

    Parameters
    ----------
    reference
        A model folder, a file, or bundled:NAME.
    """
    from theodolite.tables import describe  # noqa: PLC0415 - keeps --help fast

    found = describe(reference)
    if output.json:
        print_json({"command": "inspect", "status": "success", **found.as_dict()})
    _show(found, output)
    return 0


def _show(found: "Inspection", output: Output) -> None:
    facts = {
        "architecture": found.architecture or found.model_type,
        "quantized": found.quantization,
        "input embedding": found.input,
        "output embedding": f"{found.output} (tied)" if found.tied and found.output else found.output,
        "tied": None if found.tied is None else ("yes" if found.tied else "no"),
        "tokenizer": None if found.n_vocabulary is None else counted(found.n_vocabulary, "token"),
        "rows without a token": None if found.n_padded is None else f"{found.n_padded:,}",
        "special tokens": None if found.n_vocabulary is None else str(len(found.special_tokens)),
        "scaled in the model": None if found.embedding_scale == 1 else f"by {found.embedding_scale:g}",
        "logits scaled": None if found.logit_scale == 1 else f"by {found.logit_scale:g}",
        "before the blocks": ", ".join(found.before_blocks or ()) or None,
        "final norm": _norm(found),
        "after the final norm": ", ".join(found.after_blocks or ()) or None,
        "would read": f"{size(found.n_bytes_read)} of {size(found.n_bytes_total)} ({found.selected or 'nothing'})",
    }
    output.lines([f"{name}: {fact}" for name, fact in facts.items() if fact is not None])
    output.lines([f"note: {note}" for note in found.notes])
    shown = sorted(found.tensors, key=lambda one: (one.role == "", -one.n_bytes))[:_TENSORS_SHOWN]
    output.table(
        f"Tensors ({len(found.tensors)})",
        ("tensor", "shape", "dtype", "size", "file", "role"),
        [
            (one.name, " x ".join(map(str, one.shape)), one.dtype, size(one.n_bytes), one.file, one.role)
            for one in shown
        ],
    )
    if len(found.tensors) > len(shown):
        output.say(f"{len(found.tensors) - len(shown)} smaller tensors are not shown; --json lists all.")


def _norm(found: "Inspection") -> str | None:
    norm = found.final_norm
    if norm is None:
        return None
    offset = f", {norm.offset:g} + weight" if norm.offset else ""
    return f"{norm.weight or 'without weights'} ({norm.kind}{offset})"
