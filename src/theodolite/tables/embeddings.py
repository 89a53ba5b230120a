"""Which tensors of a checkpoint are the input and the output embedding."""

from dataclasses import dataclass, replace
from typing import Literal

import torch

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.tables.checkpoint import Checkpoint
from theodolite.tables.conventions import CONVENTIONS
from theodolite.tables.entries import TensorEntry, list_tables
from theodolite.tables.gguf_file import INPUT, OUTPUT, WITHOUT_HEAD, GgufFile
from theodolite.tables.model_config import ModelConfig
from theodolite.tables.quantized import packed, refuse_packed
from theodolite.tables.skeleton import Skeleton, build_skeleton
from theodolite.tables.surroundings import UNKNOWN, Surroundings, known_surroundings

Which = Literal["input", "output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """The names of both tables in a checkpoint.

    Attributes
    ----------
    input : str or None
        Name on disk; None where the checkpoint has none.
    output : str or None
        Name on disk, the same as `input` where the two are tied; None where the model has no head over the vocabulary.
    tied : bool
        Whether the model uses one matrix for both.
    scale : float
        The factor that the model puts on the input embedding.
    found_by : {"convention", "transformers"}
        Whose word this is.
    missing : str
        Why `input` or `output` is None, in a sentence.
    surroundings : Surroundings
        What stands between the tables and the blocks.
    """

    input: str | None
    output: str | None
    tied: bool
    scale: float
    found_by: Literal["convention", "transformers"]
    missing: str = ""
    surroundings: Surroundings = UNKNOWN

    def name(self, which: Which, checkpoint: Checkpoint) -> str:
        """Return the name of one of the two.

        Raises
        ------
        NotFoundError
            If the checkpoint does not have it.
        """
        name = self.input if which == "input" else self.output
        if name is None:
            raise NotFoundError(
                f"{checkpoint.place} has no {which} embedding: {self.missing}. "
                f"{list_tables(checkpoint.entries().values())}"
            )
        return name


def find_embeddings(checkpoint: Checkpoint, config: ModelConfig) -> Embeddings:
    """Find both tables: by convention where the architecture is well known, otherwise by asking transformers.

    Parameters
    ----------
    checkpoint : Checkpoint
        The weights.
    config : ModelConfig
        What config.json says.

    Returns
    -------
    Embeddings
        Names that exist in the checkpoint and have as many rows as the vocabulary.

    Raises
    ------
    FormatError
        If neither way finds a matrix of the right size.
    """
    if isinstance(checkpoint.only_file, GgufFile):
        norm = checkpoint.only_file.final_norm
        around = Surroundings(final_norm=norm, logit_scale=config.logit_scale)
        return replace(_of_gguf(checkpoint, config), surroundings=around)
    found = _by_convention(checkpoint, config)
    if found is not None:
        known = known_surroundings(CONVENTIONS[config.model_type], checkpoint.names, config.logit_scale)
        return replace(found, surroundings=known)
    refuse_packed("input", checkpoint.names, checkpoint.place)
    skeleton = build_skeleton(checkpoint.folder)
    found = _by_skeleton(checkpoint, config, skeleton)
    norm = skeleton.norm_on_disk(checkpoint.names)
    return replace(found, surroundings=Surroundings(final_norm=norm, logit_scale=config.logit_scale))


def _of_gguf(checkpoint: Checkpoint, config: ModelConfig) -> Embeddings:
    """Return the tables of a GGUF file, which are called alike in every architecture; without a head they are tied."""
    if INPUT not in checkpoint:
        tables = list_tables(checkpoint.entries().values())
        raise FormatError(f"{checkpoint.place} has no {INPUT}, the input embedding of a GGUF model. {tables}")
    _check_rows(checkpoint, INPUT, config)
    missing = ""
    if OUTPUT not in checkpoint and config.model_type.startswith(WITHOUT_HEAD):
        missing = f"a model of the kind {config.model_type} ends without a head over the vocabulary"
    tied = OUTPUT not in checkpoint and not missing
    return Embeddings(
        input=INPUT,
        output=None if missing else INPUT if tied else OUTPUT,
        tied=tied,
        scale=config.embedding_scale,
        found_by="convention",
        missing=missing,
    )


def _by_convention(checkpoint: Checkpoint, config: ModelConfig) -> Embeddings | None:
    """Look where the architecture is known to keep its tables; None where that is not known or not clear."""
    convention = CONVENTIONS.get(config.model_type)
    if convention is None or config.is_nested or config.vocab_size is None:
        return None
    prefixes = (f"{convention.prefix}.", "") if convention.prefix else ("",)
    inputs = [prefix + name for name in convention.inputs for prefix in prefixes if prefix + name in checkpoint]
    outputs = [name for name in convention.outputs if name in checkpoint]
    if len(inputs) != 1 or len(outputs) > 1:
        return None
    _check_rows(checkpoint, inputs[0], config)
    if outputs and not _fits(checkpoint.entry(outputs[0]), config):
        return None
    ties = convention.ties if config.ties is None else config.ties
    missing = None
    if config.has_head is False and not outputs:
        missing = f"its class {', '.join(config.architectures)} ends without a head over the vocabulary"
    elif not outputs and not ties:
        said = packed("output", checkpoint.names)
        missing = None if said is None else f"it is {said}"
    if missing is not None:
        return Embeddings(
            input=inputs[0],
            output=None,
            tied=False,
            scale=config.embedding_scale,
            found_by="convention",
            missing=missing,
        )
    if not outputs and not ties:
        return None
    return _pair(
        checkpoint,
        inputs[0],
        outputs[0] if outputs else None,
        ties=ties,
        scale=config.embedding_scale,
        found_by="convention",
    )


def _by_skeleton(checkpoint: Checkpoint, config: ModelConfig, skeleton: Skeleton) -> Embeddings:
    """Match the model's own names to those on disk."""
    inputs = skeleton.on_disk(checkpoint.names, skeleton.inputs)
    outputs = skeleton.on_disk(checkpoint.names, skeleton.outputs)
    inputs = [name for name in inputs if _is_matrix(checkpoint.entry(name))]
    outputs = [name for name in outputs if _is_matrix(checkpoint.entry(name))]
    if not inputs and not (skeleton.ties and outputs):
        meant = " or ".join(skeleton.inputs) or "a parameter of its own kind"
        raise FormatError(
            f"{checkpoint.place} does not hold the input embedding of a {skeleton.architecture}, which transformers "
            f"calls {meant}. {list_tables(checkpoint.entries().values())}"
        )
    source = inputs[0] if inputs else outputs[0]
    scale = skeleton.scale if skeleton.scale != 1.0 else config.embedding_scale
    _check_rows(checkpoint, source, config)
    if not outputs and not skeleton.ties:
        missing = (
            f"a {skeleton.architecture} ends without a head over the vocabulary"
            if not skeleton.outputs
            else f"the tensor {' or '.join(skeleton.outputs)} of a {skeleton.architecture} is not in the checkpoint"
        )
        return Embeddings(input=source, output=None, tied=False, scale=scale, found_by="transformers", missing=missing)
    output = outputs[0] if outputs else None
    return _pair(checkpoint, source, output, ties=skeleton.ties, scale=scale, found_by="transformers")


def _pair(
    checkpoint: Checkpoint,
    source: str,
    output: str | None,
    *,
    ties: bool,
    scale: float,
    found_by: Literal["convention", "transformers"],
) -> Embeddings:
    """Settle whether two tables are tied: as transformers does, both stored with other numbers are not."""
    tied = ties and (output is None or output == source or _equal(checkpoint, source, output))
    return Embeddings(input=source, output=source if tied else output, tied=tied, scale=scale, found_by=found_by)


def _equal(checkpoint: Checkpoint, one: str, other: str) -> bool:
    """Compare two stored tables: the same storage, or the same numbers in rows spread over the vocabulary."""
    a, b = checkpoint.entry(one), checkpoint.entry(other)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if checkpoint.same_storage(one, other):
        return True
    return torch.equal(*checkpoint.sample(one, other))


def _check_rows(checkpoint: Checkpoint, name: str, config: ModelConfig) -> None:
    """Refuse an input embedding with fewer rows than the vocabulary has entries."""
    entry = checkpoint.entry(name)
    if not _fits(entry, config):
        raise FormatError(
            f"{entry} in {checkpoint.place} should be the input embedding, but config.json gives the vocabulary "
            f"{config.vocab_size} entries. If the table is meant as it is, name it with #{name}."
        )


def _is_matrix(entry: TensorEntry) -> bool:
    return len(entry.shape) == 2


def _fits(entry: TensorEntry, config: ModelConfig) -> bool:
    """Say whether a tensor has a row for each entry of the vocabulary (some models store more)."""
    return _is_matrix(entry) and (config.vocab_size is None or entry.shape[0] >= config.vocab_size)
