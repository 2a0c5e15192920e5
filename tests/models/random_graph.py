"""Seeded random graphs: products, sums, views and joins over a pool of tensors of known shapes."""
import numpy as np

from build import Graph

WIDTHS = (64, 96, 128, 320)


class Pool:
    """The tensors made so far with their shapes; later ones are picked more often."""

    def __init__(self, g):
        self.g, self.random = g, g.random
        self.tensors = []

    def add(self, name, shape):
        self.tensors.append((name, tuple(shape)))

    def pick(self, test=lambda shape: True):
        fitting = [t for t in self.tensors if test(t[1])]
        if not fitting:
            return None
        back = min(int(self.random.exponential(3)), len(fitting) - 1)
        return fitting[-1 - back]


def product(p):
    name, (rows, width) = p.pick()
    wide = int(p.random.choice(WIDTHS))
    p.add(p.g.node('MatMul', name, p.g.weight('w', width, wide)), (rows, wide))


def unary(p):
    name, shape = p.pick()
    p.add(p.g.node(str(p.random.choice(['Relu', 'Sigmoid', 'Tanh', 'Neg', 'Erf'])), name), shape)


def binary(p):
    name, shape = p.pick()
    other, _ = p.pick(lambda s: s == shape)
    p.add(p.g.node(str(p.random.choice(['Add', 'Sub', 'Mul'])), name, other), shape)


def join(p):
    name, shape = p.pick()
    other, second = p.pick(lambda s: s[0] == shape[0])
    if shape[1] + second[1] <= 512:
        p.add(p.g.node('Concat', name, other, axis=1), (shape[0], shape[1] + second[1]))


def cut(p):
    name, (rows, width) = p.pick()
    begin = int(p.random.integers(0, width // 2))
    step = int(p.random.choice([1, 1, 2]))
    made = p.g.node('Slice', name, p.g.constant([begin]), p.g.constant([width]), p.g.constant([1]),
                    p.g.constant([step]))
    p.add(made, (rows, -(-(width - begin) // step)))


def turn(p):
    """A transpose and back through a product: rows change places with columns."""
    name, (rows, width) = p.pick()
    other, second = p.pick(lambda s: s[0] == rows)
    square = p.g.node('MatMul', p.g.node('Transpose', name, perm=[1, 0]), other)
    square = p.g.node('Mul', square, p.g.constant(0.1 / rows, np.float32))
    square = p.g.node('Softmax', square, axis=-1)
    p.add(p.g.node('MatMul', name, square), (rows, second[1]))


def normal(p):
    name, shape = p.pick()
    p.add(p.g.node('Softmax', name, axis=-1), shape)


KINDS = (product, product, product, unary, binary, binary, join, cut, turn, normal)


def random_graph(seed, n=24):
    """A model of about n nodes with every dead end among its outputs, and one data set."""
    g = Graph(13)
    g.random = np.random.default_rng(seed)
    p = Pool(g)
    rows = int(g.random.choice([1, 3, 16, 50]))
    inputs = {}
    for i in range(int(g.random.integers(1, 4))):
        width = int(g.random.choice(WIDTHS))
        inputs[f'x{i}'] = g.random.standard_normal((rows, width)).astype(np.float32)
        p.add(g.input(f'x{i}', ['rows', width]), (rows, width))
    for _ in range(n):
        KINDS[int(g.random.integers(len(KINDS)))](p)
    read = {name for node in g.nodes for name in node.input}
    ends = [t for t in p.tensors if t[0] not in read] or p.tensors[-1:]
    for i, (name, shape) in enumerate(ends):
        g.output(f'y{i}', name, ['rows', shape[1]])
    return g.model(), [inputs]
