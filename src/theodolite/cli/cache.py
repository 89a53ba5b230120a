"""Commands that show what is kept of models on the Hub, and give its space back."""

import sys
from typing import TYPE_CHECKING

from cyclopts import App, Parameter
from rich.filesize import decimal

from theodolite.cli.examples import epilogue
from theodolite.cli.help_text import HelpText
from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.errors import ParameterError

if TYPE_CHECKING:
    from theodolite.tables import CachedModel


_SHORT = 12

cache = App(
    name="cache",
    help="Show what is kept of models on the Hub; `cache clear` removes it.",
    help_epilogue=epilogue("cache"),
    help_format="plaintext",
    help_formatter=HelpText(),
    default_parameter=Parameter(negative_iterable=()),
    result_action="return_value",
)


@cache.default
def show(
    *,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """List what is kept of models on the Hub: repository, commit, tensors and bytes, and the total."""
    from theodolite.tables import cache_folder, cache_size, cached_models  # noqa: PLC0415 - keeps --help fast

    models, total = cached_models(), cache_size()
    if output.json:
        kept = [_as_dict(one) for one in models]
        print_json(
            {
                "command": "cache",
                "status": "success",
                "folder": str(cache_folder()),
                "n_bytes": total,
                "models": kept,
            }
        )
    if not models:
        output.say(f"Nothing of the Hub is kept in {cache_folder()}.")
        return 0
    output.table(
        f"Kept in {cache_folder()}",
        ("repository", "commit", "revisions", "tensors", "unfinished", "size"),
        [
            (
                one.repository,
                one.commit[:_SHORT],
                ", ".join(one.revisions),
                ", ".join(one.tensors) or "none",
                str(one.n_unfinished),
                decimal(one.n_bytes),
            )
            for one in models
        ],
    )
    output.lines([f"Total: {decimal(total)}. `theodolite cache clear` gives it back."])
    return 0


@cache.command(help_epilogue=epilogue("cache clear"))
def clear(
    repository: str | None = None,
    *,
    yes: bool = False,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Remove what is kept of one model, or of all, from this machine. Nothing on the Hub changes.

    Parameters
    ----------
    repository
        OWNER/NAME, with or without hub: in front; without it, everything.
    yes
        Do not ask.
    """
    from theodolite.tables import cached_models, clear_cache  # noqa: PLC0415 - keeps --help fast

    chosen = repository.removeprefix("hub:") if repository is not None else None
    kept = [one for one in cached_models() if chosen in (None, one.repository)]
    if kept and not yes and not _agreed(kept, output):
        output.say("Nothing was removed.")
        return 1
    freed = clear_cache(chosen)
    if output.json:
        print_json(
            {
                "command": "cache clear",
                "status": "success",
                "n_bytes": freed,
                "removed": [{"repository": one.repository, "commit": one.commit} for one in kept],
            }
        )
    output.lines([f"Removed {len(kept)} of the kept models; {decimal(freed)} are free again."])
    return 0


def _agreed(kept: "list[CachedModel]", output: Output) -> bool:
    names = ", ".join(sorted({one.repository for one in kept}))
    size = decimal(sum(one.n_bytes for one in kept))
    if not output.human or not sys.stdin.isatty():
        raise ParameterError(f"This would remove {size} ({names}), and nobody can be asked here. Pass --yes.")
    output.say(f"Remove {size} ({names})? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _as_dict(one: "CachedModel") -> dict[str, object]:
    return {
        "repository": one.repository,
        "server": one.server,
        "commit": one.commit,
        "revisions": list(one.revisions),
        "tensors": list(one.tensors),
        "n_bytes": one.n_bytes,
        "n_unfinished": one.n_unfinished,
    }
