"""A `pytorch_model.bin` on the Hub: its directory, its pickle, and then the one member that holds the tensor."""

import struct
import zipfile
from pathlib import Path

from theodolite.core.errors import FormatError, TheodoliteError, UnsafeFileError
from theodolite.tables.entries import TensorEntry
from theodolite.tables.hub_file import RemoteFile
from theodolite.tables.hub_tensors import RemoteTensors, Span
from theodolite.tables.torch_file import ZIP_START, check_members
from theodolite.tables.torch_pickle import StoredTensor, read_state

_MOST_PICKLE = 8_000_000  # names and shapes; real ones stay under a few hundred kB
_END_RECORD = 22 + (1 << 16)  # bytes in which the end of a zip's directory must lie
_END_START = b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, lengths of name and extra field


class RemoteTorch(RemoteTensors):
    """The tensors of a torch zip file on the Hub.

    Parameters
    ----------
    file : RemoteFile
        The file. Only its directory and its pickle are fetched.

    Raises
    ------
    UnsafeFileError
        If reading it would run code or unpack something.
    FormatError
        If it was saved by torch before 1.6, is damaged, or is no torch file.
    """

    format = "torch"

    def __init__(self, file: RemoteFile) -> None:
        if file.size < 4 or file.read_at(0, 4) != ZIP_START:
            raise FormatError(_about_old(file))
        self._members = _directory(file)
        pickled = next(info for name, info in self._members.items() if name.endswith("data.pkl"))
        self._prefix = pickled.filename.removesuffix("data.pkl")
        if pickled.file_size > _MOST_PICKLE:
            raise UnsafeFileError(
                f"{file.place} has a data.pkl of {pickled.file_size} bytes, far more than names and shapes take. "
                "Save the weights again, as safetensors."
            )
        begin = _content(file, pickled)
        state = read_state(file.place, file.read_at(begin, pickled.file_size))
        self._check_byte_order(file)
        for name, tensor in state.items():
            self._check(file.place, name, tensor)
        self._state = state
        entries = {
            name: TensorEntry(
                name=name, shape=tensor.shape, dtype=tensor.dtype, n_bytes=tensor.n_bytes, file=file.place
            )
            for name, tensor in state.items()
        }
        super().__init__(file, entries)

    def same_storage(self, one: str, other: str) -> bool:
        """Say whether two names stand for the same numbers in the file, as tied weights do."""
        return self._state[one] == self._state[other]

    def _span(self, name: str) -> Span:
        """Return where the numbers of a tensor are; asks for the head of its member."""
        tensor = self._state[name]
        if tensor.reach * tensor.itemsize < tensor.n_bytes:
            raise FormatError(
                f"The tensor {name!r} of {self.path} repeats numbers: it claims {tensor.n_bytes:,} bytes of a few. "
                "Save it again with tensor.contiguous()."
            )
        begin = _content(self._file, self._members[self._member(tensor)]) + tensor.offset * tensor.itemsize
        return Span(begin=begin, end=begin + tensor.reach * tensor.itemsize, strides=tensor.strides)

    def _member(self, tensor: StoredTensor) -> str:
        return f"{self._prefix}data/{tensor.key}"

    def _check(self, place: Path, name: str, tensor: StoredTensor) -> None:
        """Refuse a tensor whose numbers are not in the member it names."""
        member = self._members.get(self._member(tensor))
        end = (tensor.offset + tensor.reach) * tensor.itemsize
        if member is None or end > member.file_size:
            held = "is missing" if member is None else f"has {member.file_size} bytes"
            raise FormatError(
                f"{place} is damaged: the tensor {name!r} ends at byte {end} of the member data/{tensor.key:.40}, "
                f"which {held}. Download the model again from its source, or choose another revision."
            )

    def _check_byte_order(self, file: RemoteFile) -> None:
        info = self._members.get(f"{self._prefix}byteorder")
        if info is not None and file.read_at(_content(file, info), min(info.file_size, 6)) != b"little":
            raise FormatError(
                f"{file.place} was saved on a big-endian machine. Save it again as safetensors, which has one order."
            )


def _directory(file: RemoteFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members of the zip by name, none of them compressed or larger than the file."""
    tail = min(file.size, _END_RECORD)
    if file.read_at(max(0, file.size - 22), 4) != _END_START:  # a comment follows the directory
        file.read_at(file.size - tail, tail)  # here, since zipfile takes a broken connection for a damaged file
    try:
        with zipfile.ZipFile(file.open()) as archive:
            members = archive.infolist()
    except TheodoliteError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FormatError(f"{file.place} is truncated or damaged: {error}. Choose another revision.") from error
    check_members(file.place, members, file.size)
    return {member.filename: member for member in members}


def _content(file: RemoteFile, member: zipfile.ZipInfo) -> int:
    """Return the byte at which the content of a member begins."""
    head = file.read_exactly(member.header_offset, member.header_offset + _LOCAL_HEADER.size, what="member")
    signature, n_name, n_extra = _LOCAL_HEADER.unpack(head)
    begin = member.header_offset + _LOCAL_HEADER.size + n_name + n_extra
    if signature != ZIP_START or begin + member.file_size > file.size:
        raise FormatError(
            f"{file.place} is damaged: its directory names a member {member.filename!r:.60} where there is none. "
            "Choose another revision."
        )
    return int(begin)


def _about_old(file: RemoteFile) -> str:
    """Say what to do about a file that cannot be read in parts."""
    asked = file.asked
    return (
        f"{file.place} is no zip: torch before 1.6 saved one pickle, which can only be read whole ({file.size:,} "
        f"bytes). Download it with `hf download {asked.repository} --revision {asked.revision} --local-dir model` and "
        "pass ./model, or choose a revision that has safetensors."
    )
