"""usage: hostile.py BUILD [--seconds S] [--megabytes M] [--table]

Hands dmsc and dmsrun files that nobody vouches for: the corpus of the fuzz targets as it is, cut off
and with bytes changed by seed, and files made to cost as much as they can (models whose functions
double, whose constants unfold, that nest, that name 100,000 files; plans of great numbers). Each is
refused with one of the documented exit codes and a message, in less than a second of processor time
and less than 100 MB, or accepted. --table prints what cost most."""
import argparse
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent / 'fuzz' / 'corpus'
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8}
LIMIT_S = 60
F, I = TensorProto.FLOAT, TensorProto.INT64


# ---- files that are made to cost -----------------------------------------------------------------

def save(path, nodes, inputs=('x',), dims=(2,), functions=(), constants=(), opset=18):
    values = [helper.make_tensor_value_info(n, F, list(dims)) for n in inputs]
    graph = helper.make_graph(nodes, 'g', values, [helper.make_empty_tensor_value_info('y')],
                              list(constants))
    graph.output[0].type.tensor_type.elem_type = F
    model = helper.make_model(graph, functions=list(functions),
                              opset_imports=[helper.make_opsetid('', opset), helper.make_opsetid('l', 1)])
    path.write_bytes(model.SerializeToString())


def node(op, ins, outs, **attributes):
    return helper.make_node(op, ins, outs, **attributes)


def doubling(path):
    """f20 calls f19 twice, and so on: a million nodes."""
    functions = [helper.make_function('l', 'f0', ['a'], ['b'], [node('Relu', ['a'], ['b'])],
                                      [helper.make_opsetid('', 18)])]
    for k in range(1, 21):
        body = [node(f'f{k - 1}', ['a'], ['t'], domain='l'), node(f'f{k - 1}', ['t'], ['b'], domain='l')]
        functions.append(helper.make_function('l', f'f{k}', ['a'], ['b'], body,
                                              [helper.make_opsetid('', 18), helper.make_opsetid('l', 1)]))
    save(path, [node('f20', ['x'], ['y'], domain='l')], functions=functions)


def unfolding(path):
    """Constants that expand to 16 GiB."""
    shape = helper.make_tensor('s', I, [2], [65536, 65536])
    save(path, [node('ConstantOfShape', ['s'], ['c']), node('Exp', ['c'], ['d']),
                node('ReduceSum', ['d'], ['e'], keepdims=0), node('Add', ['x', 'e'], ['y'])],
         constants=[shape])


def tiling(path):
    """A chain of constants, each twice as large as the one before."""
    nodes = [node('Tile', ['t0' if k == 0 else f't{k}', 'two'], [f't{k + 1}']) for k in range(40)]
    save(path, [*nodes, node('ReduceMax', ['t40'], ['m'], keepdims=0), node('Add', ['x', 'm'], ['y'])],
         constants=[helper.make_tensor('t0', F, [1], [1.0]), helper.make_tensor('two', I, [1], [2])])


def long_chain(path):
    save(path, [node('Neg', ['x' if k == 0 else f't{k}'], ['y' if k == 59999 else f't{k + 1}'])
                for k in range(60000)])


def unknown_operators(path):
    save(path, [node(f'Odd{k}', [f't{k - 1}' if k else 'x'], ['y' if k == 19999 else f't{k}'])
                for k in range(20000)])


def huge_dims(path):
    save(path, [node('MatMul', ['x', 'x'], ['y'])], dims=(2 ** 31, 2 ** 31))


def many_files(path):
    constants = []
    for k in range(20000):
        tensor = TensorProto(name=f'w{k}', data_type=F, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key='location', value=f'f{k}.bin')
        constants.append(tensor)
    save(path, [node('Sum', ['x', *(f'w{k}' for k in range(20000))], ['y'])], constants=constants)


def nested(path):
    """A graph in an attribute of a node of a graph, 3,000 times."""
    inner = b''
    for _ in range(3000):
        for field in (b'\x32', b'\x2a', b'\x0a'):  # g of an attribute, attribute of a node, node
            inner = field + varint(len(inner)) + inner
    path.write_bytes(b'\x08\x08\x3a' + varint(len(inner)) + inner)


def long_lengths(path):
    path.write_bytes(b'\x08\x08\x3a' + varint(2 ** 62) + b'\x0a' * 1000)


def zeros(path):
    path.write_bytes(bytes(8 << 20))


def varint(n):
    out = b''
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


MODELS = [doubling, unfolding, tiling, long_chain, unknown_operators, huge_dims, many_files, nested,
          long_lengths, zeros]


def made_arrays(folder):
    """Headers that promise more than there is."""
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
    for name, shape in (('many', b'9' * 18 + b','), ('deep', b'1,' * 60), ('none', b'0, ' + b'9' * 18)):
        text = head % shape + b'\n'
        (folder / f'{name}.npy').write_bytes(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text)
    (folder / 'long.npy').write_bytes(b'\x93NUMPY\x02\x00' + struct.pack('<I', 2 ** 32 - 1))


# ---- calls ---------------------------------------------------------------------------------------

class Bench:
    def __init__(self, options, scratch):
        self.options, self.scratch, self.costs = options, scratch, []
        self.passed = self.failed = self.refused = self.ran = 0

    def call(self, name, *words):
        """One program on one file; what it cost counts where it refuses."""
        errors = self.scratch / 'errors'
        with open(errors, 'wb') as err, open(os.devnull, 'r+b') as null:
            child = subprocess.Popen([str(w) for w in words], stdin=null, stdout=null, stderr=err,
                                     cwd=self.scratch, preexec_fn=lambda: signal.alarm(LIMIT_S))
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = code = os.waitstatus_to_exitcode(status)
        seconds, megabytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6
        text = errors.read_text(errors='backslashreplace')
        wrong = [f'exit code {code}'] if code not in CODES else []
        if code != 0:
            self.costs.append((seconds, megabytes, name))
            if not text.strip() or 'Sanitizer' in text or len(text) > 8000:
                wrong.append('no message for people')
            if seconds >= self.options.seconds:
                wrong.append(f'refused after {seconds:.2f} s')
            if megabytes >= self.options.megabytes:
                wrong.append(f'refused with {megabytes:.0f} MB')
        self.refused, self.ran = self.refused + (code != 0), self.ran + (code == 0)
        self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)
        for what in wrong:
            print(f'FAILED {name}: {what}: {text.strip()[-300:]}', flush=True)
        return code


def variants(path, random):
    """The file; its first half; two with bytes changed."""
    data = path.read_bytes()
    yield 'whole', data
    yield 'cut', data[:len(data) // 2]
    for k in range(2):
        changed = bytearray(data)
        for at in random.integers(0, max(1, len(data)), 4):
            if len(data) > 0:
                changed[at] = random.choice([0, 1, 0x7f, 0x80, 0xff, int(random.integers(256))])
        yield f'changed {k}', bytes(changed)


def each(kind, random, scratch, suffix='', step=1):
    """(name, path) of the variants of some of a target's inputs."""
    for path in sorted((CORPUS / kind).iterdir())[::step]:
        for what, data in variants(path, random):
            place = scratch / f'file{suffix}'
            place.write_bytes(data)
            yield f'{kind}/{path.name}, {what}', place


def all_calls(bench, build, scratch):
    random = np.random.default_rng(5)
    dmsc, dmsrun = build / 'dmsc', build / 'dmsrun'
    good = CORPUS / 'model' / 'typed'
    plan = scratch / 'good.plan'
    subprocess.run([dmsc, good, '-o', plan, '-q'], check=True)
    for name, path in each('model', random, scratch, '.onnx', 3):
        bench.call(name, dmsc, path, '-q', '--dim', 'n=3')
    for make in MODELS:
        path = scratch / 'made.onnx'
        make(path)
        bench.call(make.__name__, dmsc, path, '-q')
    for name, path in each('plan', random, scratch, step=6):
        bench.call(f'{name}, run', dmsrun, path)
        bench.call(f'{name}, verified', dmsc, '--verify', path)
    for name, path in each('profile', random, scratch, '.json'):
        bench.call(name, dmsc, good, '-q', '--profile', path)
    for kind, suffix in (('npy', '.npy'), ('npz', '.npz'), ('pb', '.pb')):
        for name, path in each(kind, random, scratch, suffix):
            bench.call(name, dmsrun, plan, '--input', f'x={path}')
    made_arrays(scratch)
    for name in ('many', 'deep', 'none', 'long'):
        bench.call(f'{name}.npy', dmsrun, plan, '--input', f'x={scratch}/{name}.npy')


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument('--seconds', type=float, default=1)
    parser.add_argument('--megabytes', type=float, default=100)
    parser.add_argument('--table', action='store_true')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options, pathlib.Path(scratch))
        all_calls(bench, options.build, pathlib.Path(scratch))
    for title, by in (('processor time', 0), ('memory', 1)):
        for cost in sorted(bench.costs, key=lambda c: c[by])[:-6:-1] if options.table else []:
            print(f'{title}: {cost[0]:.2f} s, {cost[1]:.0f} MB: {cost[2]}')
    print(f'{bench.refused} refused, {bench.ran} accepted')
    if bench.refused < 200 or bench.ran < 20:
        print('FAILED too few of one kind: these files say nothing')
        bench.failed += 1
    print(f'{bench.passed} passed, {bench.failed} failed')
    sys.exit(bench.failed > 0)


if __name__ == '__main__':
    main()
