"""Open a file whose ending does not say what it is: by its first bytes."""

from pathlib import Path

from theodolite.core.errors import FormatError, UnsafeFileError
from theodolite.tables.entries import TensorFile
from theodolite.tables.gguf_file import GgufFile
from theodolite.tables.gguf_header import MAGIC as GGUF_MAGIC
from theodolite.tables.npy_file import NpyFile
from theodolite.tables.torch_file import TorchFile
from theodolite.tables.wordvector_file import WordVectorFile
from theodolite.tables.wordvector_layout import find_layout

_PICKLE = b"\x80"
_ZIP = b"PK\x03\x04"
_NUMPY = b"\x93NUMPY"


def open_by_content(path: Path, *, is_torch: bool) -> TensorFile:
    """Open a GGUF, numpy, torch or word-vector file, whatever it is called.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    is_torch : bool
        Whether its ending (`.bin`, `.pt`, `.pth`) is one that torch uses, too.

    Raises
    ------
    FormatError
        If it is none of them, or damaged.
    UnsafeFileError
        If it is a pickle of another library.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(GGUF_MAGIC):
        return GgufFile(path)
    if start.startswith(_NUMPY):
        return NpyFile(path)
    if start.startswith(_ZIP) or (is_torch and start.startswith(_PICKLE)):
        return TorchFile(path)
    if start.startswith(_PICKLE):
        raise UnsafeFileError(
            f"{path} is a Python pickle, as gensim's .kv and .model files are, and reading it could run code. Where "
            "you trust it, load it with gensim and pass the vectors to load_table, or write them with "
            "save_word2vec_format."
        )
    layout = find_layout(path)
    if layout is not None:
        return WordVectorFile(path, layout)
    if is_torch:
        return TorchFile(path)
    if not start:
        raise FormatError(f"{path} is empty. Copy or download it again.")
    raise FormatError(
        f"{path} is none of the formats that are read: it begins with {start!r}. Give a model folder; a .safetensors, "
        ".bin, .pt, .npy, .npz or .gguf file; or word vectors of word2vec, GloVe or fastText."
    )
