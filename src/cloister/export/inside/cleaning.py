"""An ONNX file as it may leave: one file, no words of the machine it was made on."""

from __future__ import annotations

from typing import Any


def cleaned(model: Any, *, rows_free: bool) -> bytes:
    """The bytes of ``model`` without metadata and descriptions, the same every time.

    Exporters write source paths, class names and traces into them. With ``rows_free`` the
    first dimension of every input and output is named, for some write the number one there.
    """
    model.ClearField("metadata_props")
    model.ClearField("doc_string")
    model.opset_import.sort(key=lambda each: each.domain)
    _clean_graph(model.graph)
    for function in model.functions:
        _clean(function)
        for node in function.node:
            _clean_node(node)
    if rows_free:
        for value in (*model.graph.input, *model.graph.output):
            dimensions = value.type.tensor_type.shape.dim
            if dimensions:
                dimensions[0].Clear()
                dimensions[0].dim_param = "batch"
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _clean(part: Any) -> None:
    for name in ("metadata_props", "doc_string"):
        if name in part.DESCRIPTOR.fields_by_name:
            part.ClearField(name)


def _clean_graph(graph: Any) -> None:
    _clean(graph)
    for value in (*graph.input, *graph.output, *graph.value_info):
        _clean(value)
    for tensor in graph.initializer:
        _clean(tensor)
    for node in graph.node:
        _clean_node(node)


def _clean_node(node: Any) -> None:
    _clean(node)
    for attribute in node.attribute:
        _clean(attribute)
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            _clean_graph(graph)
