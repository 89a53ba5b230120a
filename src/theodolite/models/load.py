"""`load_model`: from a reference to a model that is ready to run."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, UnsafeFileError
from theodolite.models.language_model import LanguageModel
from theodolite.models.quiet import quiet
from theodolite.tables.model_folder import model_folder
from theodolite.tables.reference import Reference
from theodolite.tables.source import locate

DType = Literal["float32", "bfloat16", "float16", "float64", "stored"]

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
_HARMLESS = ("pooler",)
_ROOM = 0.8


def load_model(
    reference: str | Path | Reference,
    *,
    dtype: DType = "float32",
    device: str | Mapping[str, Any] = "auto",
    trust_remote_code: bool = False,
) -> LanguageModel:
    """Load a model and its tokenizer, and find out how it is built.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        `bundled:pocket-256`, `hub:owner/name@revision` or a model folder, without `#selector`.
    dtype : {"float32", "bfloat16", "float16", "float64", "stored"}
        Precision of weights and states; "stored" takes the checkpoint's own.
    device : str or mapping
        "auto": a GPU where there is one (several, if the model does not fit the first), else the CPU. "cpu", "cuda", "
        ""cuda:1",
        "mps". "split" lets accelerate spread the model over all devices; a mapping of module names to devices, "cpu" or
        "disk" says how.
    trust_remote_code : bool
        Whether Python code that lies in the model folder may run. Recorded in the provenance.

    Returns
    -------
    LanguageModel
        In eval mode. Causal models load with their head, masked models with theirs where the checkpoint has it.

    Raises
    ------
    NotFoundError
        If there is no such model, or its folder holds no weights.
    ParameterError
        If `dtype` or `device` is unknown, or the reference names a tensor.
    FormatError
        If the reference is a file, config or weights are damaged or incomplete, or the model returns no hidden
        states.
    UnsafeFileError
        If the model needs code from its folder and `trust_remote_code` is off.

    Notes
    -----
    safetensors are preferred; other checkpoints are read without unpickling objects (`weights_only`). A checkpoint that
    lacks weights is refused: transformers would fill them with random numbers. A missing pooler is not: no state here
    passes through it.

    Examples
    --------
    >>> model = load_model("bundled:pocket-128", device="cpu")
    >>> model.provenance["reference"], model.provenance["n_parameters"]
    ('bundled:pocket-128', 2238464)
    """
    parsed, folder, module, tokenizer = load_parts(
        reference, dtype=dtype, device=device, trust_remote_code=trust_remote_code
    )
    return LanguageModel.of(
        module,
        tokenizer,
        **origin(parsed, folder),
        trust_remote_code=trust_remote_code,
    )


def load_tokenizer(reference: str | Path | Reference, *, trust_remote_code: bool = False) -> Any:
    """Load the tokenizer of a model alone; of a model on the Hub nothing else is downloaded.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        As for `load_model`; a folder that holds nothing but a tokenizer will do.
    trust_remote_code : bool
        Whether Python code that lies in the folder may run.

    Returns
    -------
    object
        The tokenizer of transformers.

    Raises
    ------
    NotFoundError, RemoteError
        If there is no such model, or the Hub cannot be reached or refuses.
    FormatError
        If it has no tokenizer, or one that cannot be read.

    Examples
    --------
    >>> len(load_tokenizer("bundled:pocket-64"))
    4096
    """
    parsed = Reference.parse(reference).select(None)
    place = locate(parsed).place
    with quiet():
        found = _tokenizer(place if place.is_dir() else place.parent, trust_remote_code)
    if found is None:
        raise FormatError(f"{parsed} has no tokenizer. Give a folder with a tokenizer.json, or another model.")
    return found


def load_parts(
    reference: str | Path | Reference,
    *,
    dtype: DType,
    device: str | Mapping[str, Any],
    trust_remote_code: bool,
    classifier: bool = False,
) -> tuple[Reference, Path, Any, Any]:
    """Return reference, folder, module and tokenizer of a model; `classifier` loads the head that sorts texts."""
    parsed = Reference.parse(reference)
    if parsed.selector is not None:
        raise ParameterError(
            f"{parsed} names one tensor, but a whole model is needed. Leave out #{parsed.selector}, or read the "
            "tensor with load_table."
        )
    if dtype not in get_args(DType):
        raise ParameterError(f"dtype={dtype!r} is not known. Choose one of {', '.join(get_args(DType))}.")
    folder = _checked_folder(parsed, model_folder(parsed))
    with quiet():
        placement = _placement(folder, dtype, device)
        settings = {
            "dtype": "auto" if dtype == "stored" else getattr(torch, dtype),
            "local_files_only": True,
            "trust_remote_code": trust_remote_code,
            "output_loading_info": True,
        }
        if "device_map" in placement:
            settings |= placement | {"offload_folder": None}
        module = _load(folder, settings, trust_remote_code, classifier=classifier)
        tokenizer = _tokenizer(folder, trust_remote_code)
    if "device" in placement:
        module = module.to(placement["device"])
    return parsed, folder, module, tokenizer


def origin(reference: Reference, folder: Path) -> dict[str, Any]:
    """Return where a model came from, for its provenance."""
    return {
        "reference": str(reference),
        "scheme": reference.scheme,
        "revision": reference.revision,
        "commit": folder.name if folder.parent.name == "snapshots" else None,
        "folder": str(folder),
    }


def _checked_folder(reference: Reference, folder: Path) -> Path:
    """Check that a folder holds a model: config and weights."""
    if not (folder / "config.json").is_file():
        raise NotFoundError(f"{folder} has no config.json, so it is no model folder. Give the folder that has one.")
    weights = [path.name for pattern in _WEIGHTS for path in folder.glob(pattern)]
    if not [name for name in weights if name != "tables.safetensors"]:
        holds = "only its tables (tables.safetensors), for load_table" if weights else "a config, but no weights"
        raise NotFoundError(f"{reference} holds {holds}; running a model needs all its weights. Name another revision.")
    return folder


def _placement(folder: Path, dtype: DType, device: str | Mapping[str, Any]) -> dict[str, Any]:
    """Say where the model goes: one device, or a device map for accelerate."""
    if not isinstance(device, str):
        return {"device_map": dict(device)}
    if device == "split":
        return {"device_map": "auto"}
    if device == "auto":
        if not torch.cuda.is_available():
            return {"device": torch.device("cpu")}
        free = torch.cuda.mem_get_info(0)[0]
        fits = _bytes_needed(folder, dtype) < _ROOM * free
        return {"device": torch.device("cuda", 0)} if fits else {"device_map": "auto"}
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        problem = " ".join(str(error).split("\n")[0].split())
        raise ParameterError(
            f"device={device!r} cannot be used here: {problem}. Choose auto, cpu, cuda, cuda:1, mps or split."
        ) from error
    return {"device": found}


def _bytes_needed(folder: Path, dtype: DType) -> float:
    """Estimate the memory of the weights from the files, taken to hold two bytes a parameter."""
    files = list(folder.glob("*.safetensors")) or [path for pattern in _WEIGHTS for path in folder.glob(pattern)]
    wide = {"float32": 2.0, "float64": 4.0}.get(dtype, 1.0)
    return wide * sum(path.stat().st_size for path in files)


def _load(folder: Path, settings: dict[str, Any], trust_remote_code: bool, *, classifier: bool) -> Any:
    """Load the first class for which the checkpoint is complete."""
    import transformers  # noqa: PLC0415 (seconds)

    _refuse_foreign_code(folder, trust_remote_code)
    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as error:  # whatever a config of unknown origin makes of transformers
        raise FormatError(f"transformers cannot read the config of {folder}: {_one_line(error)}.") from error
    lacking: list[str] = []
    for chosen in (transformers.AutoModelForSequenceClassification,) if classifier else _classes(config):
        try:
            module, info = chosen.from_pretrained(folder, config=config, **settings)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            raise FormatError(
                f"The weights of {folder} cannot be loaded as {chosen.__name__}: {_one_line(error)}. "
                "Download the model again, or install what it needs."
            ) from error
        absent = sorted(name for name in info["missing_keys"] if not any(part in name for part in _HARMLESS))
        if not absent:
            return module
        lacking = lacking or absent
    raise FormatError(
        f"The checkpoint in {folder} lacks {len(lacking)} of the model's weights ({', '.join(lacking[:3])}"
        f"{', ...' if len(lacking) > 3 else ''}), which would be filled with random numbers. Download the model again."
    )


def _classes(config: Any) -> Iterator[Any]:
    """Yield the classes to try: causal, masked or bare, and last the one that the config names."""
    import transformers  # noqa: PLC0415
    from transformers.models.auto import modeling_auto  # noqa: PLC0415

    named = [name for name in getattr(config, "architectures", None) or [] if isinstance(name, str)]
    own = getattr(config, "auto_map", None) or {}
    generates = any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in named)
    if not getattr(config, "is_encoder_decoder", False):
        masked = type(config) in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING or "AutoModelForMaskedLM" in own
        if masked and not generates and not getattr(config, "is_decoder", False):
            yield transformers.AutoModelForMaskedLM
        elif type(config) in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING or "AutoModelForCausalLM" in own:
            yield transformers.AutoModelForCausalLM
    if type(config) in modeling_auto.MODEL_MAPPING or "AutoModel" in own:
        yield transformers.AutoModel
    for name in named:
        found = getattr(transformers, name, None)
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            yield found


def _refuse_foreign_code(folder: Path, trust_remote_code: bool) -> None:
    """Refuse a model that only its own code can build, unless running it was asked for."""
    import transformers  # noqa: PLC0415

    try:
        stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{folder / 'config.json'} is no valid JSON: {error}. Download it again.") from error
    known = stated.get("model_type") in transformers.CONFIG_MAPPING
    if stated.get("auto_map") and not known and not trust_remote_code:
        raise UnsafeFileError(
            f"The model in {folder} is built by Python code that lies in its folder. Read that code, and pass "
            "trust_remote_code=True if you want it to run."
        )


def _tokenizer(place: Path, trust_remote_code: bool) -> Any:
    """Load the tokenizer of a model; that of a checkpoint may lie in the folder above. None where there is none."""
    import transformers  # noqa: PLC0415

    places = [place, place.parent] if (place.parent / "config.json").is_file() else [place]
    folder = next((at for at in places if any((at / name).is_file() for name in _TOKENIZER)), None)
    if folder is None:
        return None
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as error:
        raise FormatError(
            f"The tokenizer in {folder} cannot be read: {_one_line(error)}. Download it again."
        ) from error
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def _one_line(error: Exception) -> str:
    """Return the beginning of an error's message in one line."""
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
