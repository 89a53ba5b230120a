"""Which prompts a layer study left out, and why, in sentences."""

from theodolite.prompts import TokenizedPrompts, source_name
from theodolite.studies.layers.config import Config

_NAMED = 10


def left_out_notes(prompts: TokenizedPrompts, config: Config) -> list[str]:
    """Say which prompts were left out before the model ran.

    Parameters
    ----------
    prompts : TokenizedPrompts
        With those that were dropped.
    config : Config
        Whose minimum some did not reach.

    Returns
    -------
    list of str
        A sentence for each reason, with the first ten names.
    """
    reasons: dict[str, list[str]] = {}
    for one in prompts.dropped:
        reasons.setdefault(one.reason, []).append(one.name)
    why = {"short": f"have fewer than {config.minimum} tokens", "uniform": "repeat one token", "empty": "have no text"}
    return [
        f"{source_name(config.prompts)}: {len(names)} of the prompts left out because they {why[reason]}: "
        f"{', '.join(names[:_NAMED])}{' ...' if len(names) > _NAMED else ''}."
        for reason, names in reasons.items()
    ]
