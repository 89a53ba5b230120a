"""Command that shows rows of one table by name."""

from typing import TYPE_CHECKING, Literal

from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.number_format import counted

if TYPE_CHECKING:
    from theodolite.studies.similarity.tokens import TokenIndex, TokenView

_NEAR_SHOWN = 6


def tokens(
    reference: str,
    *,
    token: tuple[str, ...] = (),
    which: str | None = None,
    k: int = 10,
    metric: Literal["cosine", "euclidean"] = "cosine",
    shown: int = 15,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Show the neighbors, local dimension, length and hubness of tokens; without --token, the rows that stand out.

    Parameters
    ----------
    reference
        A model folder, a file, or bundled:NAME.
    token
        A token as it is shown, its blank included: " dog". May be given several times.
    which
        input, output, or the name of a tensor.
    k
        Neighbors to show.
    metric
        By which distance neighbors are found.
    shown
        Rows in each list.
    """
    from theodolite.studies.similarity.tokens import TokenIndex, find_rows  # noqa: PLC0415 - keeps --help fast
    from theodolite.tables import load_table  # noqa: PLC0415

    table = load_table(reference, which=which)
    if table.n_vocabulary is not None:
        table = table.select("tokenizer")
    rows = [row for one in token for row in find_rows(table, one)]
    index = TokenIndex(table, k=k, metric=metric)
    content = {
        "command": "tokens",
        "status": "success",
        "table": str(table.provenance.get("reference", reference)),
        "which": table.which,
        "n_tokens": table.n_tokens,
        "k": k,
        "metric": metric,
    }
    if rows:
        views = [index.view(row) for row in rows]
        if output.json:
            print_json({**content, "tokens": [view.as_dict() for view in views]})
        for view in views:
            _show(view, output)
    else:
        _overview(index, content, shown, output)
    return 0


def _show(view: "TokenView", output: Output) -> None:
    facts = {
        "length": f"{view.norm:.4g} ({view.norm_over_median:.2f} of the median)",
        "seen in training": None if view.count is None else counted(view.count, "time"),
        "local dimension": None if view.dimension is None else f"{view.dimension:.1f} (20 nearest)",
        "components": None if view.components is None else f"{view.components:.0f} (95 % of the variance, 100 nearest)",
        "hubness": None if view.hubness is None else f"{view.hubness:.2f} of the usual",
    }
    shown = ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact is not None)
    output.lines([f"{_quoted(view.token)} (id {view.token_id}): {shown}"])
    if view.note:
        output.lines([view.note])
    output.table(
        "",
        ("token", "id", "cosine", "distance"),
        [(_quoted(one.token), str(one.token_id), f"{one.cosine:.3f}", f"{one.distance:.4g}") for one in view.neighbors],
    )


def _overview(index: "TokenIndex", content: dict[str, object], shown: int, output: Output) -> None:
    """Show the rows of lowest and highest dimension, and those that look wrong."""
    extremes, suspicious = index.extremes(shown), index.suspicious()
    if output.json:
        listed = {
            name: [
                {
                    "token_id": int(index.table.token_ids[row]),
                    "token": index.name(row),
                    "dimension": value,
                    "neighbors": index.near_names(row, index.k),
                }
                for row, value in found
            ]
            for name, found in extremes.items()
        }
        odd = {
            reason: {
                "n": len(rows),
                "tokens": [
                    {"token_id": int(index.table.token_ids[row]), "token": index.name(row)} for row in rows[:shown]
                ],
            }
            for reason, rows in suspicious.items()
        }
        print_json({**content, **listed, "suspicious": odd})
    for name, found in extremes.items():
        output.table(
            f"{name.capitalize()} local dimension (20 nearest)",
            ("token", "dimension", "nearest"),
            [
                (
                    _quoted(index.name(row)),
                    f"{value:.1f}",
                    " ".join(_quoted(one) for one in index.near_names(row, _NEAR_SHOWN)),
                )
                for row, value in found
            ],
        )
    for reason, rows in suspicious.items():
        examples = " ".join(_quoted(index.name(row)) for row in rows[:shown])
        output.lines([f"{counted(len(rows), 'row')} {reason}: {examples}{' ...' if len(rows) > shown else ''}"])
    if not suspicious:
        output.lines(["No row is short, zero, repeated or unseen."])


def _quoted(token: str | None) -> str:
    """Return a token in quotes, because a leading blank matters."""
    return "" if token is None else f"'{token}'"
