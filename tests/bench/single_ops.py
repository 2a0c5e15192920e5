"""usage: single_ops.py BUILD [--only WORD] [--pairs 3] [--seconds 0.3]

One operator per model, f32, one thread: time of the operator's steps over that of a run of ONNX
Runtime, medians of pairs. dmsrun's copies of input and output to and from its arena, which a
network makes once, do not count. Weights are initializers, so both sides may lay them out as they
like. Needs a quiet machine."""
import argparse
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'e2e'))
from peers import cell, compile_resident  # noqa: E402
from programs import Failure, Programs  # noqa: E402


def conv(c, m, kernel, step, size, group=1, op='Conv', width=None, **more):
    """A convolution of a size x width image with "same" padding (none where transposed)."""
    kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    shape = (c, m // group, kh, kw) if op == 'ConvTranspose' else (m, c // group, kh, kw)
    attributes = {'kernel_shape': [kh, kw], 'strides': [step, step], 'group': group, **more}
    if op == 'Conv':
        attributes['pads'] = [kh // 2, kw // 2, kh // 2, kw // 2]
    return op, [(1, c, size, size if width is None else width)], [shape, (m,)], attributes


def conv1d(c, m, kernel, size):
    return 'Conv', [(1, c, size)], [(m, c, kernel), (m,)], {'pads': [kernel // 2, kernel // 2]}


def pool(op, c, kernel, step, size):
    pad = 0 if step == kernel else kernel // 2
    return op, [(1, c, size, size)], [], {'kernel_shape': [kernel] * 2, 'strides': [step] * 2,
                                          'pads': [pad] * 4}


def resize(c, size, scale, mode):
    return 'Resize', [(1, c, size, size)], [None, np.array([1, 1, scale, scale], np.float32)], {
        'mode': mode, 'nearest_mode': 'floor', 'coordinate_transformation_mode':
        'asymmetric' if mode == 'nearest' else 'half_pixel'}


def gemm(m, k, n, transposed=1):
    return 'Gemm', [(m, k)], [(n, k) if transposed else (k, n), (n,)], {'transB': transposed}


# name, (operator, input dims, weights: dims, array or None for an absent input, attributes)
TABLE = [
    ('conv 3x3 64,64 @56', conv(64, 64, 3, 1, 56)),
    ('conv 3x3 256,256 @14', conv(256, 256, 3, 1, 14)),
    ('conv 3x3 512,512 @7', conv(512, 512, 3, 1, 7)),
    ('conv 3x3 64,128 @56 /2', conv(64, 128, 3, 2, 56)),
    ('conv 7x7 3,64 @224 /2', conv(3, 64, 7, 2, 224)),
    ('conv 3x3 3,16 @224 /2', conv(3, 16, 3, 2, 224)),
    ('conv 3x3 1,32 @128', conv(1, 32, 3, 1, 128)),
    ('conv 1x1 64,256 @56', conv(64, 256, 1, 1, 56)),
    ('conv 1x1 256,64 @56', conv(256, 64, 1, 1, 56)),
    ('conv 1x1 256,512 @56 /2', conv(256, 512, 1, 2, 56)),
    ('conv 1x1 960,160 @7', conv(960, 160, 1, 1, 7)),
    ('conv 1x1 432,112 @1', conv(432, 112, 1, 1, 1)),
    ('conv 5x5 dilated 32,32 @64', conv(32, 32, 5, 1, 64, dilations=[2, 2])),
    ('conv 3x39 8,8 @172x264', conv(8, 8, (3, 39), 1, 172, width=264)),
    ('conv groups 4, 128,128 @28', conv(128, 128, 3, 1, 28, group=4)),
    ('depthwise 3x3 96 @112', conv(96, 96, 3, 1, 112, group=96)),
    ('depthwise 3x3 144 @56 /2', conv(144, 144, 3, 2, 56, group=144)),
    ('depthwise 3x3 384 @14', conv(384, 384, 3, 1, 14, group=384)),
    ('depthwise 5x5 432 @4', conv(432, 432, 5, 1, 4, group=432)),
    ('depthwise 5x5 240 @14 /2', conv(240, 240, 5, 2, 14, group=240)),
    ('transposed 2x2 64,32 @40 /2', conv(64, 32, 2, 2, 40, op='ConvTranspose')),
    ('transposed 4x4 64,64 @28 /2', conv(64, 64, 4, 2, 28, op='ConvTranspose')),
    ('conv 1d 3, 80,384 @1000', conv1d(80, 384, 3, 1000)),
    ('conv 1d 31, 1,64 @16000', conv1d(1, 64, 31, 16000)),
    ('max pool 3 64 @112 /2', pool('MaxPool', 64, 3, 2, 112)),
    ('max pool 2 64 @56 /2', pool('MaxPool', 64, 2, 2, 56)),
    ('average pool 3 64 @56', pool('AveragePool', 64, 3, 1, 56)),
    ('average pool 7 2048 @7', pool('AveragePool', 2048, 7, 7, 7)),
    ('resize x2 nearest 64 @40', resize(64, 40, 2, 'nearest')),
    ('resize x2 linear 64 @40', resize(64, 40, 2, 'linear')),
    ('gemm 1x1024x1024', gemm(1, 1024, 1024)),
    ('gemm 4x1024x1024', gemm(4, 1024, 1024)),
    ('gemm 16x512x512', gemm(16, 512, 512)),
    ('gemm 128x768x768', gemm(128, 768, 768)),
    ('gemm 512x64x64', gemm(512, 64, 64)),
    ('gemm 512x257x64, b plain', gemm(512, 257, 64, 0)),
]


def make_model(folder, op, inputs, weights, attributes):
    """Writes model.onnx and set0/ with random numbers."""
    random = np.random.default_rng(1)
    names, tensors = ['x'], []
    for k, weight in enumerate(weights):
        names.append('' if weight is None else f'w{k}')
        if weight is None:
            continue
        if isinstance(weight, tuple):
            weight = (random.standard_normal(weight) / 8).astype(np.float32)
        tensors.append(numpy_helper.from_array(weight, f'w{k}'))
    node = helper.make_node(op, names, ['y'], **attributes)
    graph = helper.make_graph(
        [node], op, [helper.make_tensor_value_info('x', TensorProto.FLOAT, inputs[0])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    (folder / 'set0').mkdir(parents=True)
    onnx.save(model, folder / 'model.onnx')
    np.save(folder / 'set0' / 'input_0.npy', random.standard_normal(inputs[0]).astype(np.float32))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build')
    parser.add_argument('--only', default='')
    parser.add_argument('--pairs', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=0.3)
    args = parser.parse_args()
    print(f'{"operator":30}{"x ORT":>8}{"dmsrun ms":>11}{"ORT ms":>9}{"GFLOP/s":>9}')
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(args.build, scratch)
        for k, (name, spec) in enumerate(TABLE):
            if args.only not in name:
                continue
            folder = pathlib.Path(scratch) / str(k)
            make_model(folder, *spec)
            try:
                plan, mflop = compile_resident(programs, folder / 'model.onnx', folder / 'set0')
                c = cell(programs, folder / 'model.onnx', plan, folder / 'set0', 1, args, 'compute_ns')
            except Failure as failure:
                print(f'{name:30}left out: {str(failure).strip().splitlines()[-1].strip()}')
                continue
            print(f'{name:30}{c.ratio:8.2f}{c.ours:11.3f}{c.theirs:9.3f}{mflop / c.ours:9.1f}',
                  flush=True)


if __name__ == '__main__':
    main()
