"""What would fail in every unit of a layer study, refused before the first of them."""

from theodolite.core.errors import ParameterError
from theodolite.models import LanguageModel
from theodolite.prompts import TokenizedPrompts
from theodolite.studies.layers.config import Config
from theodolite.studies.layers.sources import encoder_of, room_of
from theodolite.studies.lenses import lens_of


def refuse_early(config: Config, model: LanguageModel, prompts: TokenizedPrompts) -> None:
    """Refuse prompts and companions of a model that no unit could be done with.

    Parameters
    ----------
    config : Config
        What to measure.
    model : LanguageModel
        One of its models.
    prompts : TokenizedPrompts
        Cut to the tokens of the model.

    Raises
    ------
    ParameterError
        If a prompt is longer than the context of the model, or random prompts of distinct tokens would take more tokens
        than the vocabulary has.
    FormatError
        If the lens is none, or the encoder has no tokenizer.
    """
    longest = max(len(ids) for ids in prompts.token_ids)
    reference = model.provenance["reference"]
    room = room_of(config, model)
    if room is not None and longest > room:
        beside = "" if room == model.n_positions else " beside its special tokens"
        raise ParameterError(
            f"A prompt has {longest} tokens, but {reference} takes at most {room}{beside}. Lower n_tokens to {room}, "
            "or leave it out."
        )
    if config.random_vocabularies:
        n_tokens = len(set(range(len(model.tokenizer))) - set(model.tokenizer.all_special_ids))
        if longest > n_tokens:
            raise ParameterError(
                f"A prompt has {longest} tokens, but {reference} has only {n_tokens} that are text: random prompts of "
                f"distinct tokens cannot be as long. Lower n_tokens to {n_tokens}, or leave random_vocabularies out."
            )
    if config.lens not in (None, "logit"):
        lens_of(str(config.lens))
    if config.encoder is not None:
        encoder_of(config.encoder, config.device, config.trust_remote_code)
