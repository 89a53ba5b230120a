"""The sentences that a report about tables opens with."""

from theodolite.core.number_format import format_range
from theodolite.report.chapters.tables.headline import MARK
from theodolite.report.headline import HeadlineTable


def opening_sentences(table: HeadlineTable) -> list[str]:
    """Say in words what the headline table says: the range of dimensions, their nulls, and what not to trust.

    Sentences; empty without tables.
    """
    if not table.rows:
        return []
    n_tables, n_models = len(table.rows), len({row.reference for row in table.rows})
    sure = [row for row in table.rows if not row.doubtful]
    sentences = []
    if sure:
        subject = _tables(len(sure)) if len(sure) == n_tables else f"{len(sure)} of {_tables(n_tables)}"
        of_models = f" of {n_models} models" if n_models > 1 else f" of {table.rows[0].name}"
        dimensions = [row.cells["twonn"].value or 0.0 for row in sure]
        widths = [row.cells["extrinsic"].value for row in sure if row.cells["extrinsic"].value]
        reads = "reads" if len(sure) == 1 else "read"
        columns = f", in {format_range(min(widths), max(widths), whole=True)} columns" if widths else ""
        value = format_range(min(dimensions), max(dimensions)) if len(sure) > 1 else sure[0].cells["twonn"].text
        sentences.append(f"{subject}{of_models} {reads} a dimension of {value}{columns}.")
        nulls = [row.cells["gaussian"].value for row in sure if row.cells["gaussian"].value is not None]
        if nulls:
            random = "A random table" if len(nulls) == 1 else "Random tables"
            verb = "reads" if len(nulls) == 1 else "read"
            sentences.append(f"{random} of the same size {verb} {format_range(min(nulls), max(nulls))}.")
    doubtful = [row for row in table.rows if row.doubtful]
    if doubtful:
        names = ", ".join(f"{row.name} {row.which}" for row in doubtful)
        sentences.append(
            f"Do not trust the headline number of {names}: a few short rows near the origin make it "
            f"({', '.join(row.cells['twonn'].text.removesuffix(MARK) for row in doubtful)})."
        )
    wide = [row for row in table.rows if row.cells["mle"].doubtful or row.cells["gride"].doubtful]
    if wide:
        n_cells = sum(row.cells[key].doubtful for row in wide for key in ("mle", "gride"))
        sentences.append(
            f"At wider scales, {n_cells} of the MLE and GRIDE readings {'is' if n_cells == 1 else 'are'} made by the "
            "shortest rows (marked !)."
        )
    return sentences


def _tables(count: int) -> str:
    return "One table" if count == 1 else f"{count} tables"
