"""Which studies reproduce a paper, with which settings, and where these had to depart from the paper's."""

from dataclasses import dataclass, replace
from typing import Any

from theodolite import bundled
from theodolite.core.errors import ReferenceSyntaxError
from theodolite.studies.dimension import config as table_config
from theodolite.studies.layers import config as layers_config
from theodolite.studies.probe import config as probe_config
from theodolite.studies.rank import config as rank_config
from theodolite.studies.reproduce.config import Config
from theodolite.studies.similarity import config as similarity_config
from theodolite.studies.training import config as training_config
from theodolite.studies.transfer import config as transfer_config
from theodolite.tables import Reference

_FOLLOWED = "bundled:pocket-128"
_PROMPTED = ("bundled:pocket-256", "bundled:pocket-128")
_AUTHORS_TOKENS = 1024
_AUTHORS_LIMIT = 3000
_FEWEST_TOKENS, _BUNDLED_MINIMUM = 192, 128
_PROBE: probe_config.Preset = "viswanathan2025-probe"
_QUICK_ROWS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A study of a reproduction.

    Attributes
    ----------
    study : str
        Its name, and that of its folder.
    config : object
        Its settings.
    departures : tuple of str
        Where these are not the paper's, and why.
    """

    study: str
    config: Any
    departures: tuple[str, ...] = ()


def plan(config: Config) -> tuple[Part, ...]:
    """Return the studies of a paper with its settings.

    Parameters
    ----------
    config : Config
        Which paper, on which models.

    Returns
    -------
    tuple of Part
        In the order of the paper.

    Examples
    --------
    >>> [part.study for part in plan(Config("kataiwa2025"))]
    ['dimension', 'training', 'rank']
    """
    parts = {"kataiwa2025": _kataiwa, "lee2025": _lee, "viswanathan2025": _viswanathan}[config.paper](config)
    return tuple(_quick(part) for part in parts) if config.quick else parts


def names(config: Config) -> dict[str, str]:
    """Return what the paper calls each model, in lower case, for those it may know.

    Parameters
    ----------
    config : Config
        With or without `known_as`.

    Returns
    -------
    dict
        Reference without revision to name; references to the Hub go by the name of their repository.

    Examples
    --------
    >>> names(Config("kataiwa2025", models=("hub:EleutherAI/pythia-160m@step143000", "./mine")))
    {'hub:EleutherAI/pythia-160m': 'pythia-160m'}
    """
    found = {}
    for place, text in enumerate(config.models):
        reference = _reference(text)
        known = config.known_as[place] if config.known_as else ""
        if not known and reference is not None and reference.scheme == "hub":
            known = reference.location.rpartition("/")[2]
        if known:
            plain = text if reference is None else str(replace(reference, revision=None, selector=None))
            found[plain] = known.lower()
    return found


def _reference(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except ReferenceSyntaxError:
        return None


def _family() -> tuple[str, ...]:
    return tuple(f"bundled:{model.name}" for model in bundled.family().models)


def _kataiwa(config: Config) -> tuple[Part, ...]:
    """Tables as they are, all rows, Euclidean; MLE with k = 2 is the headline."""
    followed = config.models[0] if config.models else _FOLLOWED
    return (
        Part(
            study="dimension",
            config=table_config.Config(
                config.models or _family(),
                which=("input",),
                rows="all",
                k=100,
                mle_k=(2, 3, 5, 10, 20, 50, 100),
                seed=config.seed,
            ),
            departures=("k is not stated in the paper: k = 2 fits its descriptions, and the sweep to 100 is there.",),
        ),
        Part(
            study="training",
            config=training_config.Config((followed,), which=("input",), rows="all", seed=config.seed),
            departures=("The paper does not say which sizes and checkpoints it follows.",),
        ),
        Part(
            study="rank",
            config=rank_config.Config((followed,), device=config.device),
            departures=(
                "Data, learning rate, alpha, steps and size of the model are not stated in the paper: trained for 60 "
                "steps of 8 windows of 128 tokens on the language reference of Python.",
            ),
        ),
    )


def _lee(config: Config) -> tuple[Part, ...]:
    """20,000 shared tokens by cosine, LLE with 10 neighbors, 95 % of the variance; maps by least squares."""
    pair = config.models[:2] or _PROMPTED
    similarity = similarity_config.Config(k=10, pca_k=(20, 100), seed=config.seed)
    departure = (
        "The bundled family shares some 4,000 tokens, all of which are taken, not 20,000; 1,200 would be a third "
        "of them, so the local dimension is read at 20 and 100 only."
    )
    if config.models:
        similarity = replace(similarity, references=config.models, tokens=20_000, pca_k=(20, 100, 1200))
        departure = "k of the LLE weights and of the local dimension is recalled, not stated where we could read it."
    transfer = transfer_config.Config(pair, (pair[1], pair[0]), maps=("least_squares", "logit_matching"))
    return (
        Part(
            study="similarity",
            config=similarity,
            departures=(departure,),
        ),
        Part(
            study="transfer",
            config=replace(transfer, seed=config.seed),
            departures=(
                "The contrasts are those that ship with theodolite, not the seven behaviours of the paper, which are "
                "questions to chat models; strengths are in mean residual norms.",
            ),
        ),
    )


def _viswanathan(config: Config) -> tuple[Part, ...]:
    """No special tokens, Euclidean, copies of a distance row dropped, GRIDE as the authors' library computes it."""
    models = config.models or _PROMPTED
    if config.preset == "probe":
        return (_probe(config, models),)
    authors = bool(config.models) and config.prompts != "examples" and config.minimum is None
    tokens = _AUTHORS_TOKENS if authors else None
    minimum = tokens or config.minimum or _FEWEST_TOKENS
    top = 5 if authors else 4 if config.minimum is None else min((minimum.bit_length() - 1) // 2, 5)  # 4^top tokens
    reach = 1 << ((minimum - 1).bit_length() - 1)  # the farthest doubling neighbor that the shortest prompt has
    shared: dict[str, Any] = {
        "prompts": config.prompts,
        "field": config.field,
        "index": config.index,
        "n_tokens": tokens,
        "convention": "dadapy",
        "device": config.device,
        "seed": config.seed,
    }
    by_preset: dict[str, dict[str, Any]] = {
        "v1": {
            "dtype": "bfloat16",
            "k": min(reach, 256 if authors else 128),
            "minimum": minimum,
            "shuffles": tuple(range(top + 1)),
            "estimators": ("gride",),
            "controlled": 50,
        },
        "v2": {
            "dtype": "float32",
            "k": min(reach, 64),
            "minimum": minimum,
            "full_shuffles": 20,
            "estimators": ("gride", "ess", "tle"),
            "controlled": 50 if authors else 8,
            "lens": config.lens,
            "homogeneity": True,
            "positions": ("all", "first"),
        },
    }
    departures = ["Copies are rows of equal states, where the authors compare rows of the distance matrix."]
    if not authors:
        taken = "the examples of theodolite" if config.prompts == "examples" else "those given"
        departures.append(
            f"Prompts are {taken} of at least {minimum} tokens, cut to 1,024 tokens or the model's context (256 tokens "
            "in the bundled family), not 2,244 prompts of Pile-10k of 1,024 tokens."
        )
        if config.preset == "v1":
            departures.append(
                f"GRIDE goes to neighbor {min(reach, 128)}, not 256, and shuffling to level {top}, not 5: prompts are "
                "shorter."
            )
    if config.preset == "v1":
        departures.append("Claims are read at neighbors 1 and 2, the headline of v1; the run's own report at 2 and 4.")
    if config.preset == "v2":
        departures.append("Clouds of one token of each type are measured beside those of all tokens.")
        departures += _without_lens(config)
    layers = layers_config.Config(models, **shared, **by_preset[config.preset])
    return (Part(study="layers", config=layers, departures=tuple(departures)),)


def _probe(config: Config, models: tuple[str, ...]) -> Part:
    """Take the authors' settings; shorter prompts only where asked for, or where the bundled models hold no longer."""
    settings = dict(probe_config.PRESETS[_PROBE])
    preset: probe_config.Preset | None = _PROBE
    departures = ["Padding rows are not kept in the clouds.", *_without_lens(config)]
    departures.append("The beginning mark is in the cloud for entropies too, where the authors leave it out.")
    minimum = config.minimum if config.minimum is not None or config.models else _BUNDLED_MINIMUM
    if minimum is not None:
        preset = None
        settings |= {"minimum": minimum, "maximum": None}
        departures.append(
            f"Prompts have at least {minimum} tokens and are cut to 1,000 or the model's context (256 tokens in the "
            "bundled family); the authors take those of 501 to 999 tokens, uncut."
        )
    if config.join > 1:
        departures.append(f"{config.join} texts of one kind and source are joined into a prompt, one to a line.")
    probe = probe_config.Config(
        models,
        positive=config.positive,
        negative=config.negative,
        field=config.field,
        join=config.join,
        limit=_AUTHORS_LIMIT,
        device=config.device,
        lens=config.lens,
        guard=config.guard,
        **{**settings, "preset": preset},
    )
    return Part(study="probe", config=probe, departures=tuple(departures))


def _without_lens(config: Config) -> list[str]:
    if config.lens != "logit":
        return []
    return ["Entropies of layers are read through the output head: no tuned lens is given (--lens)."]


def _quick(part: Part) -> Part:
    """Return the part with as little work as still runs every step."""
    less: dict[str, dict[str, Any]] = {
        "dimension": {"limit": _QUICK_ROWS},
        "training": {"limit": _QUICK_ROWS, "points": 5},
        "rank": {"ranks": (2, 8, 16, 32), "steps": 2, "seeds": 1, "windows": 6, "batch": 2, "context": 32},
        "similarity": {"tokens": _QUICK_ROWS, "pca_k": (20, 100), "states": 200, "queries": 100},
        "transfer": {
            "contrasts": ("dialogue",),
            "maps": ("least_squares",),
            "tokens": ("last",),
            "layers": (2,),
            "strengths": (-0.25, 0.25),
            "draws": 1,
            "n_generated": 0,
            "n_bootstrap": 100,
        },
        "layers": {"limit": 4, "controlled": 3, "full_shuffles": min(1, getattr(part.config, "full_shuffles", 0))},
        "probe": {"limit": 20},
    }
    departure = "Made with --quick: to see that everything runs, not for a result."
    return replace(part, config=replace(part.config, **less[part.study]), departures=(departure, *part.departures))
