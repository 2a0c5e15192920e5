"""A small builder of ONNX models, and of data sets with references from ONNX Runtime."""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEED = 20240607
NUMBER = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64,
          np.dtype(np.bool_): TensorProto.BOOL, np.dtype(np.int32): TensorProto.INT32}


class Graph:
    """Nodes, weights and names of one model under construction; every call returns a tensor name."""

    def __init__(self, opset):
        self.opset, self.nodes, self.weights, self.functions = opset, [], [], []
        self.inputs, self.outputs = [], []
        self.random = np.random.default_rng(SEED)
        self.count = 0

    def fresh(self, stem):
        self.count += 1
        return f'{stem}_{self.count}'

    def input(self, name, dims, dtype=np.float32):
        self.inputs.append(helper.make_tensor_value_info(name, NUMBER[np.dtype(dtype)], dims))
        return name

    def output(self, name, tensor, dims, dtype=np.float32):
        """Gives a tensor its public name by an Identity node."""
        self.nodes.append(helper.make_node('Identity', [tensor], [name], name=name + '/out'))
        self.outputs.append(helper.make_tensor_value_info(name, NUMBER[np.dtype(dtype)], dims))

    def weight(self, stem, *shape, scale=None):
        """Random weights, scaled so that a product keeps the size of its input."""
        fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        scale = (1 / fan_in) ** 0.5 if scale is None else scale
        return self.tensor(stem, self.random.standard_normal(shape, np.float32) * np.float32(scale))

    def tensor(self, stem, values):
        name = self.fresh(stem)
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def constant(self, values, dtype=np.int64):
        """The value in a Constant node, as PyTorch's exporter writes it."""
        return self.node('Constant', value=numpy_helper.from_array(np.asarray(values, dtype)))

    def node(self, op, *inputs, n=1, domain='', **attributes):
        names = [self.fresh(op.lower()) for _ in range(n)]
        self.nodes.append(helper.make_node(op, inputs, names, name=names[0], domain=domain,
                                           **attributes))
        return names[0] if n == 1 else names

    def model(self, listed_weights=False):
        """The model; before IR 4 weights are listed among the inputs too."""
        inputs = list(self.inputs)
        if listed_weights:
            inputs += [helper.make_tensor_value_info(w.name, w.data_type, w.dims)
                       for w in self.weights]
        graph = helper.make_graph(self.nodes, 'test', inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid('', self.opset)]
        if self.functions:
            opsets.append(helper.make_opsetid('local', 1))
        if any(node.domain == 'com.microsoft' for node in self.nodes):
            opsets.append(helper.make_opsetid('com.microsoft', 1))
        ir = 3 if listed_weights else 10 if self.opset >= 21 else 8
        model = helper.make_model(graph, opset_imports=opsets, functions=self.functions,
                                  producer_name='dms tests', ir_version=ir)
        onnx.checker.check_model(model)  # skips domains that it does not know
        return model


def reference(path, inputs):
    """What ONNX Runtime's CPU provider computes, one thread, no optimisation."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    names = [i.name for i in session.get_inputs()]
    return session.run(None, {name: inputs[name] for name in names}), names


def save_sets(folder, sets):
    """Writes input_<i>.npy and output_<i>.npy of every set beside folder/model.onnx."""
    for number, inputs in enumerate(sets):
        place = folder / f'set{number}'
        place.mkdir(parents=True, exist_ok=True)
        outputs, names = reference(folder / 'model.onnx', inputs)
        for i, name in enumerate(names):
            np.save(place / f'input_{i}.npy', inputs[name])
        for i, value in enumerate(outputs):
            np.save(place / f'output_{i}.npy', value)


def save(root, name, model, sets, external=False):
    """One folder per model: model.onnx, its weights file if any, set<N>/."""
    folder = pathlib.Path(root) / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'model.onnx'
    if external:
        (folder / 'weights.bin').unlink(missing_ok=True)
        onnx.save(model, path, save_as_external_data=True, location='weights.bin',
                  size_threshold=1024)
    else:
        onnx.save(model, path)
    save_sets(folder, sets)
