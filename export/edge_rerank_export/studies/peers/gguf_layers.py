"""A GGUF file cut to its first layers, so that llama.cpp runs no more of them than a pack does."""

from __future__ import annotations

from pathlib import Path

from gguf import GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType

_BLOCK = "blk."


def first_layers(gguf: Path, layers: int, output: Path) -> tuple[str, Path]:
    """The model of ``gguf`` with its first ``layers`` layers.

    Args:
        gguf: a model with one count of layers, ``ARCHITECTURE.block_count``.
        layers: how many to keep, at least 1.
        output: where the model is written if it has more than that.

    Returns:
        What it is, for people ("16 layers Q4_1"), and the file.
    """
    reader = GGUFReader(gguf)
    fields = reader.fields
    architecture = fields["general.architecture"].contents()
    count = f"{architecture}.block_count"
    kind = LlamaFileType(fields["general.file_type"].contents()).name
    kind = kind.removeprefix("MOSTLY_").removeprefix("ALL_")
    has = int(fields[count].contents())
    if layers >= has:
        return f"{has} layers {kind}", gguf
    writer = GGUFWriter(output, architecture)
    for name, field in fields.items():
        # The writer writes these itself.
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = layers if name == count else field.contents()
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        _, block, rest = tensor.name.partition(_BLOCK)
        if not block or int(rest.partition(".")[0]) < layers:
            writer.add_tensor(
                tensor.name,
                tensor.data,
                raw_shape=tensor.data.shape,
                raw_dtype=tensor.tensor_type,
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return f"{layers} layers {kind}", output
