"""A network of small integers: what dynamic quantisation and 4-bit exporters write."""
import numpy as np

from build import Graph


def dynamic_dense(g, x, n_in, n_out):
    """DynamicQuantizeLinear, MatMulInteger with a zero per column, and the scales multiplied in."""
    bytes_, scale, zero = g.node('DynamicQuantizeLinear', x, n=3)
    weight = g.random.integers(-127, 128, (n_in, n_out)).astype(np.int8)
    steps = g.random.uniform(0.001, 0.002, n_out).astype(np.float32)
    sums = g.node('MatMulInteger', bytes_, g.tensor('w', weight), zero,
                  g.tensor('zero', np.zeros(n_out, np.int8)))
    scales = g.node('Mul', scale, g.tensor('steps', steps))
    return g.node('Mul', g.node('Cast', sums, to=1), scales)


def four_bit_dense(g, x, n_in, n_out, block=32):
    """MatMulNBits of ONNX Runtime: blocks of a row share a scale and a zero."""
    blocks = n_in // block
    packed = g.random.integers(0, 256, (n_out, blocks, block // 2)).astype(np.uint8)
    scale = g.random.uniform(0.005, 0.01, (n_out, blocks)).astype(np.float32)
    zero = g.random.integers(0, 256, (n_out, (blocks + 1) // 2)).astype(np.uint8)
    return g.node('MatMulNBits', x, g.tensor('packed', packed), g.tensor('scale', scale),
                  g.tensor('zero', zero), domain='com.microsoft', K=n_in, N=n_out, bits=4,
                  block_size=block)


def quantised(opset=17, width=320):
    """Embeddings kept as bytes with a scale per row, two integer products, one of 4 bits."""
    g = Graph(opset)
    ids = g.input('ids', ['batch', 'seq'], np.int64)
    table = g.tensor('table', g.random.integers(0, 256, (500, width)).astype(np.uint8))
    rows = g.node('Gather', table, ids)
    x = g.node('DequantizeLinear', rows, g.tensor('step', np.float32(0.02)),
               g.tensor('middle', np.uint8(128)))
    x = g.node('Tanh', dynamic_dense(g, x, width, 2 * width))
    x = four_bit_dense(g, x, 2 * width, width)
    g.output('y', g.node('Softsign', x), ['batch', 'seq', width])
    return g.model(), [{'ids': g.random.integers(0, 500, (b, s)).astype(np.int64)}
                   for b, s in ((1, 20), (3, 7))]
