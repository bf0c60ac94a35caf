"""Reading an ONNX file that somebody else may have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx


def read_graph(path: Path) -> bytes:
    """An ONNX file, all of whose tensors lie in itself: no other file is read for it.

    Raises:
        ValueError: if it is none, or names other files.
        OSError: if it can't be read.
    """
    content = path.read_bytes()
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # whatever the parser raises
        raise ValueError(f"{path} is no ONNX file: {error}") from error
    if _names_files(model):
        raise ValueError(f"{path} names other files for its tensors, which are not read")
    return content


def _names_files(message: Any) -> bool:
    """Whether a tensor anywhere in a message of ONNX, in a graph within a node too, lies in another file."""
    if isinstance(message, onnx.TensorProto):
        return message.data_location == onnx.TensorProto.EXTERNAL or bool(message.external_data)
    for field, value in message.ListFields():
        if field.message_type is not None and any(
            map(_names_files, [value] if hasattr(value, "ListFields") else value)
        ):
            return True
    return False
