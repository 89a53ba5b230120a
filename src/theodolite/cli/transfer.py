"""The commands that carry steering vectors from one model to another."""

from pathlib import Path
from typing import Literal

from cyclopts import App, Parameter

from theodolite.cli.examples import epilogue
from theodolite.cli.help_text import HelpText
from theodolite.cli.options import How, Running, Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.number_format import counted
from theodolite.studies.transfer.config import Config, Control, MapName, PositionWord, TokenRule

EmbeddingMap = Literal["least_squares", "ridge", "procrustes", "low_rank", "logit_matching"]

_DEFAULT = Config(sources=("source",), targets=("target",))

transfer = App(
    name="transfer",
    help="Carry steering vectors to another model, with controls.",
    help_epilogue=epilogue("transfer"),
    help_format="plaintext",
    help_formatter=HelpText(),
    default_parameter=Parameter(negative_iterable=()),
    result_action="return_value",
)


@transfer.command(help_epilogue=epilogue("transfer vector"))
def vector(
    model: str,
    contrast: str,
    *,
    out: Path,
    tokens: TokenRule = "last",
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Make the difference-of-means vector of a contrast, at every layer of a model.

    Parameters
    ----------
    model
        A model folder, hub:NAME or bundled:NAME.
    contrast
        A shipped contrast (dialogue, feeling, gender, person, question, tense), or a file of contrast pairs.
    out
        The file to write, such as vector.safetensors.
    tokens
        Which token's states are read: the last, the mean over the continuation, or the answer's.
    """
    from theodolite.models.contrast_pairs import load_contrast  # noqa: PLC0415 - keeps --help fast
    from theodolite.models.contrast_vectors import contrast_vector  # noqa: PLC0415
    from theodolite.models.load import load_model  # noqa: PLC0415
    from theodolite.models.steering_vector import save_vector  # noqa: PLC0415

    made = contrast_vector(load_model(model), load_contrast(contrast), tokens=tokens)
    save_vector(made, out)
    told = {"model": model, "contrast": made.contrast, "tokens": made.tokens, "layers": list(made.layers)}
    if output.json:
        print_json(
            {"command": "transfer vector", "status": "success", "file": str(out), **told, "n_pairs": made.n_pairs}
        )
    output.lines(
        [f"{out}: {made.contrast} from {counted(made.n_pairs or 0, 'pair')}, layers 0 to {made.layers[-1]} of {model}."]
    )
    return 0


@transfer.command(help_epilogue=epilogue("transfer fit"))
def fit(
    source: str,
    target: str,
    *,
    out: Path,
    kind: EmbeddingMap = "least_squares",
    space: str = "output",
    seed: int = 0,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Fit a map between the embeddings of two models, on the tokens they share.

    Parameters
    ----------
    source
        Model that vectors come from.
    target
        Model that they are carried to.
    out
        The file to write, such as map.safetensors.
    kind
        least_squares (the row map), ridge, procrustes, low_rank or logit_matching.
    space
        The output embedding, or the input embedding.
    seed
        Decides which tokens are held out.
    """
    from theodolite.tables import align, load_table  # noqa: PLC0415 - keeps --help fast
    from theodolite.transfer import fit as fit_map  # noqa: PLC0415
    from theodolite.transfer import save_map  # noqa: PLC0415

    a, b, match = align(load_table(source, which=space), load_table(target, which=space))
    made = fit_map(a, b, kind=kind, seed=seed)
    save_map(made, out)
    found = made.diagnostics
    assert found is not None
    numbers = {
        "r2_held_out": found.r2_held_out,
        "r2_fitted": found.r2_fitted,
        "retrieval_1": found.retrieval_1,
        "retrieval_10": found.retrieval_10,
        "condition": found.condition,
        "norm_change": found.norm_change,
    }
    if output.json:
        told = {"kind": made.kind, "space": made.space, "n_tokens": match.n_shared, **numbers}
        print_json({"command": "transfer fit", "status": "success", "file": str(out), **told})
    output.lines(
        [
            f"{out}: {made.kind} from {source} to {target}, {counted(match.n_shared, 'shared token')} of the {space} "
            "side."
        ]
    )
    output.table("", ("on held-out tokens", "value"), [(name, f"{value:.3f}") for name, value in numbers.items()])
    return 0


@transfer.command(help_epilogue=epilogue("transfer apply"))
def apply(
    map: Path,
    vector: Path,
    *,
    out: Path,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Carry a steering vector through a map; a vector of another model is refused.

    Parameters
    ----------
    map
        A file that `theodolite transfer fit` wrote.
    vector
        A file that `theodolite transfer vector` wrote.
    out
        The file to write: the same directions for the target model.
    """
    from theodolite.models.steering_vector import load_vector, save_vector  # noqa: PLC0415 - keeps --help fast
    from theodolite.transfer import load_map  # noqa: PLC0415

    carried = load_map(map)(load_vector(vector))
    save_vector(carried, out)
    target = str(carried.model.get("reference", "the target"))
    if output.json:
        told = {"target": target, "layers": list(carried.layers), "n_dims": carried.n_dims}
        print_json({"command": "transfer apply", "status": "success", "file": str(out), **told})
    output.lines([f"{out}: {counted(len(carried.layers), 'direction')} of {carried.n_dims} entries for {target}."])
    return 0


@transfer.command(help_epilogue=epilogue("transfer evaluate"))
def evaluate(
    *,
    source: list[str],
    target: list[str],
    contrasts: tuple[str, ...] = _DEFAULT.contrasts,
    maps: tuple[MapName, ...] = _DEFAULT.maps,
    controls: tuple[Control, ...] = _DEFAULT.controls,
    space: str = _DEFAULT.space,
    fold: bool = _DEFAULT.fold,
    tokens: tuple[TokenRule, ...] = _DEFAULT.tokens,
    layers: tuple[int, ...] = _DEFAULT.layers,
    strengths: tuple[float, ...] = _DEFAULT.strengths,
    positions: PositionWord = _DEFAULT.positions,
    draws: int = _DEFAULT.draws,
    seed: int = _DEFAULT.seed,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Steer the target with carried vectors, its own, and controls; score them on held-out pairs.

    Parameters
    ----------
    source
        Models that vectors are read from; may be given several times.
    target
        Models that are steered: one for each source, or one for all.
    contrasts
        Shipped contrasts, or files of contrast pairs.
    maps
        How vectors are carried; verdicts are on the first.
    controls
        What they are compared with.
    space
        Embedding that the maps are fitted on: output or input.
    fold
        Multiply the gain of the final norm into the columns first.
    tokens
        Rules for the token that is read; the best on the fitted pairs is taken.
    layers
        Layers of the target; by default three depths.
    strengths
        In mean residual norms, of both signs.
    positions
        Which tokens are steered.
    draws
        Draws of each random control.
    seed
        Changes every random draw.
    """
    from theodolite.cli.results import execute  # noqa: PLC0415 - torch and polars load here, not for --help
    from theodolite.runs import config_from_mapping  # noqa: PLC0415

    settings = {
        "sources": source,
        "targets": target,
        "contrasts": contrasts,
        "maps": maps,
        "controls": controls,
        "space": space,
        "fold": fold,
        "tokens": tokens,
        "layers": layers,
        "strengths": strengths,
        "positions": positions,
        "draws": draws,
        "seed": seed,
    }
    return execute("transfer", config_from_mapping(Config, settings), running, output)
