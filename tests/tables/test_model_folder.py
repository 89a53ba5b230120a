"""A whole model as a folder: where references to models lead."""

from pathlib import Path

import pytest

from theodolite import bundled
from theodolite.core.errors import FormatError, NotFoundError
from theodolite.tables import model_folder


def test_a_bundled_model_is_its_folder() -> None:
    assert model_folder("bundled:pocket-64#output") == bundled.path("pocket-64")


def test_a_local_folder_and_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-500").mkdir()
    assert model_folder(tmp_path) == tmp_path
    assert model_folder(f"{tmp_path}@checkpoint-500") == tmp_path / "checkpoint-500"


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(FormatError, match="a model to run is a folder"):
        model_folder(tmp_path / "model.safetensors")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no file or folder"):
        model_folder(tmp_path / "absent")
