"""usage: hollow.py FOLDER [LAYERS]

A decoder of the sizes of Llama-2 7B in bf16, cut to LAYERS layers (2), whose weights are missing:
model.onnx names ranges of a file that is not there, as the graphs of large models come without
their data. `dmsrun --random-weights` makes the weights up."""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from build import Graph
from decoder import Shape, decoder

ALIGN = 4096
MISSING = 'missing.weights'


class Hollow(Graph):
    """A builder whose large weights are shapes without data."""

    def weight(self, stem, *shape, scale=None):
        name = self.fresh(stem)
        self.weights.append(TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape,
                                        data_location=TensorProto.EXTERNAL))
        return name


def narrow(tensor):
    """A tensor of f32 as one of bf16, which numpy lacks: the upper half of every number, rounded."""
    bits = numpy_helper.to_array(tensor).astype(np.float32).view(np.uint32)
    upper = ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return TensorProto(name=tensor.name, data_type=TensorProto.BFLOAT16, dims=tensor.dims,
                       raw_data=upper.tobytes())


def lay_out(weights, location=MISSING):
    """Gives every hollow weight of bf16 its place in the file, one behind the other."""
    at = 0
    for t in weights:
        if t.data_location != TensorProto.EXTERNAL:
            continue
        t.data_type = TensorProto.BFLOAT16
        length = 2 * int(np.prod(t.dims))
        for key, value in (('location', location), ('offset', at), ('length', length)):
            t.external_data.add(key=key, value=str(value))
        at += -(-length // ALIGN) * ALIGN


def to_bf16(model):
    """Every f32 of the graph becomes bf16: constants, casts, inputs and outputs."""
    g = model.graph
    small = [narrow(t) if t.data_type == TensorProto.FLOAT else t
             for t in g.initializer if t.data_location != TensorProto.EXTERNAL]
    hollow = [t for t in g.initializer if t.data_location == TensorProto.EXTERNAL]
    del g.initializer[:]
    g.initializer.extend(hollow + small)
    for node in g.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR and a.t.data_type == TensorProto.FLOAT:
                a.t.CopyFrom(narrow(a.t))
            if node.op_type == 'Cast' and a.name == 'to' and a.i == TensorProto.FLOAT:
                a.i = TensorProto.BFLOAT16
    for port in list(g.input) + list(g.output):
        kind = port.type.tensor_type
        if kind.elem_type == TensorProto.FLOAT:
            kind.elem_type = TensorProto.BFLOAT16


def hollow_decoder(folder, shape, opset=18):
    """Writes folder/model.onnx; bytes of its weights."""
    g = decoder(opset, shape, cached=True, graph=Hollow(opset))
    graph = helper.make_graph(g.nodes, 'hollow', g.inputs, g.outputs, g.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)],
                              producer_name='dms tests', ir_version=8)
    to_bf16(model)
    lay_out(model.graph.initializer)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'model.onnx').write_bytes(model.SerializeToString())
    return sum(2 * int(np.prod(t.dims)) for t in model.graph.initializer)


def llama2_7b(layers):
    return Shape(layers=layers, width=4096, heads=32, groups=32, inner=11008, vocab=32000)


if __name__ == '__main__':
    print(hollow_decoder(sys.argv[1], llama2_7b(int(sys.argv[2]) if len(sys.argv) > 2 else 2)))
