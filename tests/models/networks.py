"""The networks of the tests: small, seeded, each with something that real models do."""
import numpy as np
from onnx import helper

from build import Graph


def pictures(random, *shape):
    return random.standard_normal(shape).astype(np.float32)


def cnn_old():
    """Opset 7: weights among the graph's inputs, padding by auto_pad, Softmax over the flat rest."""
    g = Graph(7)
    x = g.input('image', [1, 3, 32, 32])
    for c_in, c_out, stride in ((3, 32, 1), (32, 64, 2), (64, 96, 1)):
        x = g.node('Conv', x, g.weight('kernel', c_out, c_in, 3, 3), auto_pad='SAME_UPPER',
                   strides=[stride, stride])
        x = g.node('Add', x, g.tensor('bias', pictures(g.random, 1, c_out, 1, 1)))
        x = g.node('Relu', x)
    x = g.node('MaxPool', x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.node('Reshape', x, g.tensor('flat', np.array([1, -1], np.int64)))
    x = g.node('MatMul', x, g.weight('dense', 96 * 8 * 8, 100))
    g.output('scores', g.node('Softmax', x), [1, 100])
    return g.model(listed_weights=True), [{'image': pictures(g.random, 1, 3, 32, 32)}]


def cnn_wide():
    """A classifier as VGG has it: 3x3 convolutions of up to 512 channels, 37 MB of weights."""
    g = Graph(14)
    x = g.input('image', [1, 3, 112, 112])
    for c_in, c_out, stride in ((3, 64, 2), (64, 128, 1), (128, 256, 2), (256, 256, 1),
                                (256, 512, 2), (512, 512, 1), (512, 512, 1), (512, 512, 1)):
        x = g.node('Conv', x, g.weight('kernel', c_out, c_in, 3, 3),
                   g.tensor('bias', pictures(g.random, c_out)), pads=[1] * 4,
                   strides=[stride, stride])
        x = g.node('Relu', x)
    x = g.node('Flatten', g.node('GlobalAveragePool', x))
    g.output('scores', g.node('MatMul', x, g.weight('dense', 512, 1000)), [1, 1000])
    return g.model(), []


def batch_norm(g, x, channels):
    values = g.random.uniform(0.5, 1.5, (4, channels)).astype(np.float32)
    names = [g.tensor('norm', v) for v in values]
    return g.node('BatchNormalization', x, *names, epsilon=1e-5)


def inverted_block(g, x, c_in, c_out, opset):
    """Expand, depthwise, squeeze and excite, project: the block of the mobile networks."""
    wide = 4 * c_in
    y = batch_norm(g, g.node('Conv', x, g.weight('up', wide, c_in, 1, 1)), wide)
    y = g.node('Conv', y, g.weight('deep', wide, 1, 3, 3, scale=0.3), group=wide, pads=[1] * 4)
    y = batch_norm(g, y, wide)
    y = g.node('HardSwish', y) if opset >= 14 else g.node('Relu', y)
    s = g.node('GlobalAveragePool', y)
    s = g.node('Relu', g.node('Conv', s, g.weight('squeeze', c_in, wide, 1, 1)))
    s = g.node('HardSigmoid', g.node('Conv', s, g.weight('excite', wide, c_in, 1, 1)),
               alpha=1 / 6, beta=0.5)
    y = batch_norm(g, g.node('Conv', g.node('Mul', y, s), g.weight('down', c_out, wide, 1, 1)),
                   c_out)
    return g.node('Add', x, y) if c_in == c_out else y


def cnn_mobile(opset=14):
    """Dynamic batch, height and width; depthwise convolutions, Resize, Concat, ConvTranspose."""
    g = Graph(opset)
    image = g.input('image', ['batch', 3, 'height', 'width'])
    x = g.node('Conv', image, g.weight('stem', 32, 3, 3, 3), strides=[2, 2], pads=[1] * 4)
    for c_in, c_out in ((32, 32), (32, 64), (64, 64), (64, 64)):
        x = inverted_block(g, x, c_in, c_out, opset)
    small = g.node('MaxPool', x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    small = g.node('Conv', small, g.weight('lateral', 64, 64, 3, 3), pads=[1] * 4)
    back = g.node('Resize', small, '', g.tensor('scales', np.array([1, 1, 2, 2], np.float32)),
                  mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor')
    x = g.node('Concat', x, back, axis=1)
    x = g.node('ConvTranspose', x, g.weight('grow', 128, 8, 2, 2, scale=0.1), strides=[2, 2])
    g.output('map', g.node('Sigmoid', x), ['batch', 8, 'height', 'width'])
    sizes = ((1, 32, 48), (2, 64, 32))
    return g.model(), [{'image': pictures(g.random, n, 3, h, w)} for n, h, w in sizes]


def split_heads(g, x, heads, head):
    """[batch, seq, heads*head] -> [batch, heads, seq, head], the target shape computed as
    exporters do: from Shape through Gather, Unsqueeze and Concat."""
    shape = g.node('Shape', x)
    dims = [g.node('Unsqueeze', g.node('Gather', shape, g.constant(i)), g.constant([0]))
            for i in range(2)]
    target = g.node('Concat', *dims, g.constant([heads]), g.constant([head]), axis=0)
    return g.node('Transpose', g.node('Reshape', x, target), perm=[0, 2, 1, 3])


def join_heads(g, x, width):
    x = g.node('Transpose', x, perm=[0, 2, 1, 3])
    return g.node('Reshape', x, g.constant([0, 0, width]))


def dense(g, x, n_in, n_out, bias=True):
    y = g.node('MatMul', x, g.weight('dense', n_in, n_out))
    return g.node('Add', y, g.tensor('bias', pictures(g.random, n_out) * 0.1)) if bias else y


def layer_norm(g, x, width):
    """Decomposed, as exporters write it before opset 17."""
    axis = {'axes': [-1]} if g.opset < 18 else {}
    mean = g.node('ReduceMean', x, *([] if axis else [g.constant([-1])]), **axis)
    off = g.node('Sub', x, mean)
    square = g.node('Pow', off, g.constant(2.0, np.float32))
    variance = g.node('ReduceMean', square, *([] if axis else [g.constant([-1])]), **axis)
    deviation = g.node('Sqrt', g.node('Add', variance, g.constant(1e-5, np.float32)))
    y = g.node('Mul', g.node('Div', off, deviation), g.tensor('scale', np.ones(width, np.float32)))
    return g.node('Add', y, g.tensor('shift', np.zeros(width, np.float32)))


def gelu(g, x):
    erf = g.node('Erf', g.node('Div', x, g.constant(2 ** 0.5, np.float32)))
    y = g.node('Mul', x, g.node('Add', erf, g.constant(1.0, np.float32)))
    return g.node('Mul', y, g.constant(0.5, np.float32))


def attend(g, q, k, v, head, mask):
    scores = g.node('MatMul', q, g.node('Transpose', k, perm=[0, 1, 3, 2]))
    scores = g.node('Div', scores, g.constant(head ** 0.5, np.float32))
    scores = g.node('Add', scores, mask)
    return g.node('MatMul', g.node('Softmax', scores, axis=-1), v)


def encoder(opset=14, layers=3, width=192, heads=6, vocab=1500):
    """A text encoder with a key padding mask: 1 = word, 0 = padding."""
    g = Graph(opset)
    ids = g.input('ids', ['batch', 'seq'], np.int64)
    words = g.input('words', ['batch', 'seq'], np.int64)
    x = g.node('Gather', g.weight('table', vocab, width, scale=1), ids)
    x = layer_norm(g, x, width)
    mask = g.node('Unsqueeze', words, g.constant([1, 2]))
    mask = g.node('Sub', g.constant(1.0, np.float32), g.node('Cast', mask, to=1))
    mask = g.node('Mul', mask, g.constant(-3.4028234663852886e38, np.float32))
    for _ in range(layers):
        q, k, v = (split_heads(g, dense(g, x, width, width), heads, width // heads)
                   for _ in range(3))
        y = join_heads(g, attend(g, q, k, v, width // heads, mask), width)
        x = layer_norm(g, g.node('Add', x, dense(g, y, width, width)), width)
        y = dense(g, gelu(g, dense(g, x, width, 4 * width)), 4 * width, width)
        x = layer_norm(g, g.node('Add', x, y), width)
    g.output('states', x, ['batch', 'seq', width])
    sets = []
    for batch, seq, padding in ((1, 9, 0), (3, 33, 5)):
        words = np.ones((batch, seq), np.int64)
        if padding:
            words[0, -padding:] = 0
        sets.append({'ids': g.random.integers(0, vocab, (batch, seq)), 'words': words})
    return g.model(), sets


def branches():
    """If on a condition that dims decide, a local function used twice, a weight used by two
    names, a constant as output, and an input that nothing uses."""
    g = Graph(18)
    g.functions.append(helper.make_function(
        'local', 'Gate', ['a', 'b'], ['c'],
        [helper.make_node('Sigmoid', ['b'], ['s']), helper.make_node('Mul', ['a', 's'], ['c'])],
        [helper.make_opsetid('', 18)]))
    x = g.input('x', ['n', 256])
    g.input('unused', ['n'])
    table = g.weight('table', 256, 256)
    y = g.node('Gate', x, g.node('MatMul', x, table), domain='local')
    rows = g.node('Gather', g.node('Shape', x), g.constant(0))
    many = g.node('Greater', rows, g.constant(4))
    then_part = helper.make_graph([helper.make_node('Neg', [y], ['then_y'])], 'then', [],
                                  [helper.make_tensor_value_info('then_y', 1, None)])
    else_part = helper.make_graph([helper.make_node('Tanh', [y], ['else_y'])], 'else', [],
                                  [helper.make_tensor_value_info('else_y', 1, None)])
    y = g.node('If', many, then_branch=then_part, else_branch=else_part)
    y = g.node('Gate', y, g.node('Gemm', y, table, transB=1), domain='local')
    g.output('y', y, ['n', 256])
    g.output('rows', rows, [], np.int64)
    return g.model(), [{'x': pictures(g.random, n, 256), 'unused': pictures(g.random, n)}
                       for n in (3, 7)]


def mlp(opset, width=512, layers=4):
    """Gemm with transposed weights; saved with its weights in a file of their own."""
    g = Graph(opset)
    x = g.input('x', ['rows', width])
    for _ in range(layers):
        x = g.node('Gemm', x, g.weight('dense', width, width),
                   g.tensor('bias', pictures(g.random, width)), transB=1)
        x = g.node('Relu', x)
    g.output('y', x, ['rows', width])
    return g.model(), [{'x': pictures(g.random, rows, width)} for rows in (1, 5, 64)]
