"""usage: large.py BUILD [GRAPHS] [--operators 20000] [--layers 10,20,40,80] [--seed 1]
    [--profile h100-pcie] [--device-mem 50%,25%,12.5%]

How long does a whole compile of something large take? A graph of 20,000 operators is made: products
with weights of four sizes, functions, sums and concatenations with results up to 60 operators back,
in f16. Of llama2-70b-ts17.onnx in the folder GRAPHS, prefill of 2,048 tokens, the first 10, 20, 40
and 80 layers are compiled, so that the growth with the layers shows. No graph has its weights: their
sizes are enough. One row each: processor seconds of dmsc, peak resident memory, bytes of the plan,
seconds per 1,000 nodes, period / bound. What is outside the limits (30 s, 10 s for the 80 layers,
300 MB, 5 MB) is marked, and is the exit code."""
import argparse
import json
import pathlib
import random
import re
import sys
import tempfile

import onnx
from onnx import TensorProto, helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from graphs import user_seconds  # noqa: E402

ROWS = 256
WIDTHS = (256, 512, 768, 1024)
UNARY = ('Relu', 'Sigmoid', 'Tanh', 'Softmax')
REACH = 60
MOST = {'MB': 300, 'plan KB': 5000}
LLAMA = 'llama2-70b-ts17'
DIMS = {'batch': 1, 'seq': 2048, 'past': 0, 'total': 2048}


def absent(name, dims, offset):
    """A weight of f16 in a file that is not there; its bytes."""
    tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=dims,
                              data_location=TensorProto.EXTERNAL)
    size = 2 * dims[0] * dims[1]
    for key, value in (('location', 'absent.bin'), ('offset', offset), ('length', size)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor, size


class Graph:
    """Operators on results of ROWS rows; every one takes the newest result, so none is dead."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.nodes, self.weights, self.recent = [], [], []
        self.width, self.newest, self.weight_bytes = WIDTHS[0], 'x', 0

    def add(self, op, operands, width, **attributes):
        result = f't{len(self.nodes)}'
        self.nodes.append(helper.make_node(op, operands, [result], name=result, **attributes))
        self.recent = [*self.recent, (result, width)][-REACH:]
        self.newest, self.width = result, width

    def product(self):
        width = self.random.choice(WIDTHS)
        name = f'w{len(self.weights)}'
        weight, size = absent(name, [self.width, width], self.weight_bytes)
        self.weights.append(weight)
        self.weight_bytes += size
        self.add('MatMul', [self.newest, name], width)

    def step(self):
        kind = self.random.random()
        same = [name for name, width in self.recent[:-1] if width == self.width]
        if kind < 0.45:
            self.product()
        elif kind < 0.65 and same:
            self.add('Add', [self.newest, self.random.choice(same)], self.width)
        elif kind < 0.7 and same and self.width == WIDTHS[0]:
            self.add('Concat', [self.newest, self.random.choice(same)], 2 * self.width, axis=1)
        else:
            self.add(self.random.choice(UNARY), [self.newest], self.width)

    def model(self):
        def port(name, width):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT16, [ROWS, width])
        graph = helper.make_graph(self.nodes, 'random', [port('x', WIDTHS[0])],
                                  [port(self.newest, self.width)], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


def random_graph(operators, seed):
    graph = Graph(seed)
    while len(graph.nodes) < operators:
        graph.step()
    return graph.model()


def first_layers(model, n):
    """The graph without its layers from n on: the end reads the result of layer n - 1."""
    def layer(name):
        found = re.search(r'layers\.(\d+)/', name)
        return int(found[1]) if found else -1

    def port_layer(name):
        found = re.match(r'(?:past_key_values|present)\.(\d+)\.', name)
        return int(found[1]) if found else -1

    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    g = cut.graph
    last = max(layer(node.name) for node in g.node)
    before, after = f'layers.{last}/Add_1_output_0', f'layers.{n - 1}/Add_1_output_0'
    nodes = [node for node in g.node if layer(node.name) < n]
    for node in nodes:
        for k, name in enumerate(node.input):
            node.input[k] = name.replace(before, after)
    used = {name for node in nodes for name in node.input}
    for field, kept in (('node', nodes),
                        ('input', [p for p in g.input if port_layer(p.name) < n]),
                        ('output', [p for p in g.output if port_layer(p.name) < n]),
                        ('initializer', [t for t in g.initializer if t.name in used])):
        kept = list(kept)
        g.ClearField(field)
        getattr(g, field).extend(kept)
    return cut


def compile_one(args, model, dims, percent, scratch):
    """Figures of dmsc's report, and its processor time."""
    path, plan, report = scratch / 'a.onnx', scratch / 'a.plan', scratch / 'a.json'
    path.write_bytes(model.SerializeToString())
    words = [w for name, value in dims.items() for w in ('--dim', f'{name}={value}')]
    done, seconds = user_seconds([args.build / 'dmsc', path, '-o', plan, '--json', report, '-q',
                                  '--profile', args.profile, '--device-mem', percent,
                                  '--host-mem', '1000GiB', *words])
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(report.read_text()), seconds


def row(args, name, model, dims, most_s, scratch):
    """Prints a row for each budget; returns the largest time and how many figures are too large."""
    n_bad, largest = 0, 0
    n = len(model.graph.node)
    for percent in args.device_mem.split(','):
        figures, seconds = compile_one(args, model, dims, percent, scratch)
        values = {'s': seconds, 'MB': figures['peak_rss_bytes'] / 1e6,
                  'plan KB': figures['plan_bytes'] / 1e3}
        cells = [f'{value:.1f}' + (' ABOVE' if value > {**MOST, 's': most_s}[key] else '')
                 for key, value in values.items()]
        n_bad += sum('ABOVE' in cell for cell in cells)
        largest = max(largest, seconds)
        print(f'| {name} | {n} | {figures["steps"]} | {percent} | {" | ".join(cells)} '
              f'| {1000 * seconds / n:.2f} | {figures["period_ns"] / figures["bound_ns"]:.4f} |',
              flush=True)
    return largest, n_bad


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('graphs', nargs='?', type=pathlib.Path)
    parser.add_argument('--operators', type=int, default=20000)
    parser.add_argument('--layers', default='10,20,40,80')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--profile', default='h100-pcie')
    parser.add_argument('--device-mem', default='50%,25%,12.5%')
    args = parser.parse_args()
    print('| graph | nodes | steps | device | s | MB | plan KB | s / 1,000 nodes | period / bound |\n'
          '|---|---|---|---|---|---|---|---|---|')
    n_bad = 0
    with tempfile.TemporaryDirectory(dir=args.build) as folder:
        scratch = pathlib.Path(folder)
        if args.operators > 0:
            model = random_graph(args.operators, args.seed)
            n_bad += row(args, f'random, seed {args.seed}', model, {}, 30, scratch)[1]
        if args.graphs is not None:
            whole = onnx.load(args.graphs / f'{LLAMA}.onnx', load_external_data=False)
            times = {}
            for n in map(int, args.layers.split(',')):
                times[n], bad = row(args, f'{LLAMA}, {n} layers', first_layers(whole, n), DIMS, 10,
                                    scratch)
                n_bad += bad
            least = min(times)
            print('time over layers, both over those of the smallest: ' + ', '.join(
                f'{n} layers {times[n] / times[least] / (n / least):.2f}' for n in sorted(times)))
    return 1 if n_bad else 0


if __name__ == '__main__':
    sys.exit(main())
