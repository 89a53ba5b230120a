"""What a row of a survey means: the columns of the three studies that it is made of, and which one it is from."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from theodolite.runs import Column
from theodolite.studies.dimension import columns as table_columns
from theodolite.studies.layers import columns as layers_columns
from theodolite.studies.similarity import columns as similarity_columns

TABLES, LAYERS, SIMILARITY = "dimension", "layers", "similarity"
COLUMNS_OF: dict[str, Mapping[str, Column]] = {
    TABLES: table_columns.COLUMNS,
    LAYERS: layers_columns.COLUMNS,
    SIMILARITY: similarity_columns.COLUMNS,
}
"""The columns of each study that a survey plans units of."""
MEASURES = {**table_columns.MEASURES, **layers_columns.MEASURES, **similarity_columns.MEASURES}


def _merged() -> Iterator[tuple[str, Column]]:
    """Yield each column once; where the studies mean different things by it, each says what."""
    yield "study", Column(dtype="str", meaning=f"the study that the row is from: {', '.join(COLUMNS_OF)}")
    for name in dict.fromkeys(name for columns in COLUMNS_OF.values() for name in columns):
        found = {study: columns[name] for study, columns in COLUMNS_OF.items() if name in columns}
        first, *others = found.values()
        if any(one.meaning != first.meaning for one in others):
            first = replace(first, meaning="; ".join(f"{study}: {one.meaning}" for study, one in found.items()))
        yield name, first


COLUMNS = dict(_merged())
