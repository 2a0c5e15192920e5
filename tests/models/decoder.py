"""Llama-like decoders: RMS norm, rotary positions, grouped heads, SwiGLU, with or without cache."""
import numpy as np

from build import Graph
from networks import join_heads, split_heads


class Shape:
    """The sizes of a decoder."""

    def __init__(self, layers=3, width=256, heads=8, groups=2, inner=640, vocab=512):
        self.layers, self.width, self.heads, self.groups = layers, width, heads, groups
        self.inner, self.vocab, self.head = inner, vocab, width // heads


def rms_norm(g, x, width):
    square = g.node('Pow', x, g.constant(2.0, np.float32))
    if g.opset < 18:
        mean = g.node('ReduceMean', square, axes=[-1])
    else:
        mean = g.node('ReduceMean', square, g.constant([-1]))
    root = g.node('Sqrt', g.node('Add', mean, g.constant(1e-6, np.float32)))
    scale = g.tensor('scale', g.random.uniform(0.8, 1.2, width).astype(np.float32))
    return g.node('Mul', scale, g.node('Mul', x, g.node('Div', g.constant(1.0, np.float32), root)))


def rotary(g, positions, head):
    """cos and sin as [1, 1, seq, head] of integer positions [seq]."""
    rates = (10000.0 ** (-np.arange(0, head, 2) / head)).astype(np.float32)
    column = g.node('Unsqueeze', g.node('Cast', positions, to=1), g.constant([1]))
    angle = g.node('Mul', column, g.tensor('rates', rates[None, :]))
    angle = g.node('Unsqueeze', g.node('Concat', angle, angle, axis=-1), g.constant([0, 1]))
    return g.node('Cos', angle), g.node('Sin', angle)


def rotate(g, x, angles, head):
    first = g.node('Slice', x, g.constant([0]), g.constant([head // 2]), g.constant([3]))
    second = g.node('Slice', x, g.constant([head // 2]), g.constant([2 ** 62]), g.constant([3]))
    turned = g.node('Concat', g.node('Neg', second), first, axis=-1)
    return g.node('Add', g.node('Mul', x, angles[0]), g.node('Mul', turned, angles[1]))


def repeat(g, x, s):
    """[b, groups, t, head] -> [b, heads, t, head], each group serving heads / groups heads."""
    times = s.heads // s.groups
    shape = g.node('Shape', x)
    batch = g.node('Slice', shape, g.constant([0]), g.constant([2]))
    rest = g.node('Slice', shape, g.constant([2]), g.constant([4]))
    wide = g.node('Expand', g.node('Unsqueeze', x, g.constant([2])),
                  g.node('Concat', batch, g.constant([times]), rest, axis=0))
    first = g.node('Slice', shape, g.constant([0]), g.constant([1]))
    return g.node('Reshape', wide, g.node('Concat', first, g.constant([s.heads]), rest, axis=0))


def causal_mask(g, rows, columns):
    """0 where column <= row, the lowest float elsewhere; rows and columns are positions."""
    later = g.node('Greater', g.node('Unsqueeze', columns, g.constant([0])),
                   g.node('Unsqueeze', rows, g.constant([1])))
    lowest = g.constant(-3.4028234663852886e38, np.float32)
    mask = g.node('Where', later, lowest, g.constant(0.0, np.float32))
    return g.node('Unsqueeze', mask, g.constant([0, 1]))


def length(g, tensor, axis):
    return g.node('Gather', g.node('Shape', tensor), g.constant(axis))


def layer(g, x, s, angles, mask, past):
    """One layer; returns its output and, with a cache, the keys and values so far."""
    y = rms_norm(g, x, s.width)
    q = split_heads(g, g.node('MatMul', y, g.weight('q', s.width, s.width)), s.heads, s.head)
    k, v = (split_heads(g, g.node('MatMul', y, g.weight(n, s.width, s.groups * s.head)), s.groups,
                        s.head) for n in 'kv')
    q, k = (rotate(g, t, angles, s.head) for t in (q, k))
    if past:
        k, v = (g.node('Concat', p, t, axis=2) for p, t in zip(past, (k, v)))
    scores = g.node('MatMul', q, g.node('Transpose', repeat(g, k, s), perm=[0, 1, 3, 2]))
    scores = g.node('Mul', scores, g.constant(s.head ** -0.5, np.float32))
    weights = g.node('Softmax', g.node('Add', scores, mask), axis=-1)
    y = join_heads(g, g.node('MatMul', weights, repeat(g, v, s)), s.width)
    x = g.node('Add', x, g.node('MatMul', y, g.weight('o', s.width, s.width)))
    y = rms_norm(g, x, s.width)
    gate = g.node('MatMul', y, g.weight('gate', s.width, s.inner))
    gate = g.node('Mul', gate, g.node('Sigmoid', gate))
    y = g.node('Mul', gate, g.node('MatMul', y, g.weight('up', s.width, s.inner)))
    return g.node('Add', x, g.node('MatMul', y, g.weight('down', s.inner, s.width))), k, v


def decoder(opset=17, s=None, cached=False, tied=False, graph=None):
    """The graph of a decoder; tied: the table of words, transposed, is the last product too; graph:
    the builder to use."""
    s = s or Shape()
    g = graph or Graph(opset)
    ids = g.input('ids', ['batch', 'seq'], np.int64)
    past = []
    if cached:
        past = [[g.input(f'past_{i}_{n}', ['batch', s.groups, 'past', s.head])
                 for n in ('keys', 'values')] for i in range(s.layers)]
    zero, one = g.constant(0), g.constant(1)
    start = length(g, past[0][0], 2) if cached else zero
    end = g.node('Add', start, length(g, ids, 1))
    rows = g.node('Range', start, end, one)
    mask = causal_mask(g, rows, g.node('Range', zero, end, one))
    angles = rotary(g, rows, s.head)
    table = g.weight('table', s.vocab, s.width, scale=1)
    x = g.node('Gather', table, ids)
    caches = []
    for i in range(s.layers):
        x, *cache = layer(g, x, s, angles, mask, past[i] if cached else None)
        caches.append(cache)
    x = rms_norm(g, x, s.width)
    last = g.node('Transpose', table, perm=[1, 0]) if tied else g.weight('head', s.width, s.vocab)
    g.output('scores', g.node('MatMul', x, last), ['batch', 'seq', s.vocab])
    for i, cache in enumerate(caches if cached else []):
        for n, tensor in zip(('keys', 'values'), cache):
            g.output(f'now_{i}_{n}', tensor, ['batch', s.groups, 'total', s.head])
    return g


def decoder_sets(g, s, sizes, cached):
    """One set per (batch, seq, past)."""
    sets = []
    for batch, seq, past in sizes:
        inputs = {'ids': g.random.integers(0, s.vocab, (batch, seq))}
        for i in range(s.layers if cached else 0):
            for n in ('keys', 'values'):
                inputs[f'past_{i}_{n}'] = g.random.standard_normal(
                    (batch, s.groups, past, s.head)).astype(np.float32)
        sets.append(inputs)
    return sets
