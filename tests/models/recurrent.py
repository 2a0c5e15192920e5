"""Recurrent networks as exporters write them: LSTM, GRU, RNN."""
import numpy as np

from build import Graph

GATES = {'RNN': 1, 'GRU': 3, 'LSTM': 4}


def layer(g, op, x, features, units, state, *, lengths='', directions=1, **attributes):
    """One node; returns all its outputs. Weights in ONNX's order of gates."""
    gates = GATES[op]
    scale = units ** -0.5
    weights = [g.weight('w', directions, gates * units, features, scale=scale),
               g.weight('r', directions, gates * units, units, scale=scale),
               g.weight('b', directions, 2 * gates * units, scale=0.2)]
    direction = 'bidirectional' if directions == 2 else 'forward'
    return g.node(op, x, *weights, lengths, *state, n=3 if op == 'LSTM' else 2, hidden_size=units,
                  direction=direction, **attributes)


def numbers(g, *dims):
    return g.random.standard_normal(dims).astype(np.float32)


def speech(opset, features=40, units=128):
    """Reads a batch of utterances both ways, then once more forward: GRU (PyTorch's form, reset after
    the product), its directions joined by Transpose and Reshape, then an LSTM whose last state is an
    output. Steps and sequences are dynamic; the second set has lengths that differ."""
    g = Graph(opset)
    x = g.input('frames', ['steps', 'batch', features])
    lengths = g.input('lengths', ['batch'], np.int32)
    y, _ = layer(g, 'GRU', x, features, units, (), lengths=lengths, directions=2,
                 linear_before_reset=1)
    y = g.node('Transpose', y, perm=[0, 2, 1, 3])
    y = g.node('Reshape', y, g.constant([0, 0, -1]))
    y, last, cell = layer(g, 'LSTM', y, 2 * units, units, (), lengths=lengths)
    y = g.node('Squeeze', y, g.constant([1])) if opset >= 13 else g.node('Squeeze', y, axes=[1])
    scores = g.node('MatMul', y, g.weight('head', units, 30))
    g.output('scores', scores, ['steps', 'batch', 30])
    g.output('last', last, [1, 'batch', units])
    g.output('cell', cell, [1, 'batch', units])
    sets = [(12, 3, [12, 12, 12]), (7, 4, [7, 0, 3, 1])]
    return g.model(), [{'frames': numbers(g, t, b, features), 'lengths': np.array(n, np.int32)}
                       for t, b, n in sets]


def streaming(opset, features=64, units=100):
    """One step of a stream: states come in and go out, as in noise suppression. LSTM with peepholes
    and bounds, GRU as Keras writes it (reset before the product), RNN with Relu."""
    g = Graph(opset)
    x = g.input('frame', [1, 1, features])
    h, c = g.input('h', [1, 1, units]), g.input('c', [1, 1, units])
    k = g.input('k', [1, 1, units])
    peepholes = g.weight('p', 1, 3 * units, scale=0.2)
    y, new_h, new_c = layer(g, 'LSTM', x, features, units, (h, c, peepholes), clip=3.0)
    axes = {'axes': [1]} if opset < 13 else {}
    given = [] if axes else [g.constant([1])]
    y, new_k = layer(g, 'GRU', g.node('Squeeze', y, *given, **axes), units, units, (k,),
                     activations=['HardSigmoid', 'Tanh'])
    y, _ = layer(g, 'RNN', g.node('Squeeze', y, *given, **axes), units, features, (),
                 activations=['Relu'])
    g.output('mask', g.node('Sigmoid', y), [1, 1, 1, features])
    for name, value in (('new_h', new_h), ('new_c', new_c), ('new_k', new_k)):
        g.output(name, value, [1, 1, units])
    return g.model(), [{'frame': numbers(g, 1, 1, features),
                        **{name: numbers(g, 1, 1, units) for name in 'hck'}} for _ in range(2)]
