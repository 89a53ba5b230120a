"""Command that counts the tokens two tables share."""

import warnings
from typing import TYPE_CHECKING

from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.errors import GeometryWarning
from theodolite.core.number_format import counted

if TYPE_CHECKING:
    from theodolite.tables import Alignment

_MEANING = {
    "exact": "same bytes, same start of a word",
    "spacing": "same bytes, one tokenizer does not mark the start",
    "unicode": "same characters, composed differently (NFC)",
    "compatibility": "same compatibility forms (NFKC)",
    "case": "same but for upper and lower case",
}


def align(
    a: str,
    b: str,
    *,
    fold_forms: bool = False,
    fold_case: bool = False,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Match the tokens of two tables, by id where the tokenizer is the same and by what they spell otherwise.

    Parameters
    ----------
    a
        A model folder, a file, or bundled:NAME.
    b
        Another one.
    fold_forms
        Also match Unicode's compatibility forms (NFKC), which are seldom the same token.
    fold_case
        Also match upper with lower case, at the very end.
    """
    from theodolite.tables import load_table, match_tables  # noqa: PLC0415 - keeps --help fast

    tables = [load_table(reference) for reference in (a, b)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GeometryWarning)
        match = match_tables(*tables, fold_forms=fold_forms, fold_case=fold_case)
    said = [str(one.message) for one in caught if issubclass(one.category, GeometryWarning)]
    names = [str(table.provenance["reference"]) for table in tables]
    if output.json:
        print_json({"command": "align", "status": "success", "tables": names, **match.as_dict(), "warnings": said})
    _show(match, names, output)
    for text in said:
        output.say(f"warning: {text}")
    return 0


def _show(match: "Alignment", names: list[str], output: Output) -> None:
    how = "the same tokenizer, by id" if match.method == "id" else "other tokenizers, by what tokens spell"
    output.lines([f"{counted(match.n_shared, 'shared token')} ({how})."])
    output.table(
        "",
        ("matched", "tokens", "meaning", "examples"),
        [
            (
                stage,
                f"{match.counts[stage]:,}",
                _MEANING[stage],
                "  ".join(_quoted(*pair) for pair in match.examples[stage][:4]),
            )
            for stage in match.examples
        ],
    )
    output.table(
        "",
        ("table", "candidates", "unmatched", "examples", "left out"),
        [
            (
                name,
                f"{candidates:,}",
                f"{unmatched:,}",
                " ".join(f"'{token}'" for token in examples[:5]),
                ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in left_out.items() if n) or "none",
            )
            for name, candidates, unmatched, examples, left_out in (
                (names[0], match.n_candidates_a, match.n_unmatched_a, match.unmatched_a, match.left_out_a),
                (names[1], match.n_candidates_b, match.n_unmatched_b, match.unmatched_b, match.left_out_b),
            )
        ],
    )
    if match.n_tied:
        output.lines(
            [f"{counted(match.n_tied, 'pair')} with several candidates of the same spelling: the first was taken."]
        )


def _quoted(one: str, other: str) -> str:
    """Return a pair in quotes, because a leading blank matters; once where both look the same."""
    return f"'{one}'" if one == other else f"'{one}' = '{other}'"
