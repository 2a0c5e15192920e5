"""usage: make_corpus.py BUILD [FOLDER]

Makes the first inputs of every fuzz target in FOLDER (tests/fuzz/corpus), one folder per target,
from models.py and from what BUILD/dmsc makes of them, and the dictionaries beside this script. The same versions give the same bytes.
Inputs that a crash has left (crash-*) stay."""
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

from models import CONTRIB, MODELS, NEWER

HERE = pathlib.Path(__file__).resolve().parent
LARGEST = 4096  # bytes of one input


def parse(name, opset, inputs, outputs, nodes, domains='', ir=8):
    nodes = nodes.replace('; ', '\n ').replace(' _,', ' unused,')
    text = (f'<ir_version: {ir}, opset_import: ["" : {opset}{domains}]>\n'
            f'{name} ({inputs}) => ({outputs}) {{ {nodes} }}')
    return parser.parse_model(text)


def weights_inside(model):
    """Every input but the first becomes an initializer: small weights, as models have them."""
    random = np.random.default_rng(7)
    for port in list(model.graph.input)[1:]:
        kind = port.type.tensor_type
        dims = [d.dim_value for d in kind.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        values = (random.standard_normal(dims) if dtype.kind == 'f' else
                  random.integers(0, 2, dims)).astype(dtype)
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), port.name))
        model.graph.input.remove(port)
    return model


def odd_models():
    """What no text says: data outside, typed fields, local functions, sparse tensors."""
    nodes = '; '.join(f't{k + 1} = MatMul({f"t{k}" if k else "x"}, w{k})' for k in range(6))
    outside = parse('outside', 18, 'float[n,64] x', 'float[n,64] t6', nodes)
    for k in range(6):
        weight = TensorProto(name=f'w{k}', data_type=1, dims=[64, 64],
                             data_location=TensorProto.EXTERNAL)
        for key, value in (('location', 'missing.bin'), ('offset', 16384 * k), ('length', 16384)):
            weight.external_data.add(key=key, value=str(value))
        outside.graph.initializer.append(weight)
    yield 'outside', outside
    typed = parse('typed', 18, 'float[2,2] x', 'float[2,2] y', 'a = Add(x, f); b = Cast<to=1>(i); '
                  'c = Mul(a, b); d = Cast<to=1>(h); y = Sub(c, d)')
    typed.graph.initializer.extend([
        helper.make_tensor('f', TensorProto.FLOAT, [2], [1.0, 2.0]),
        helper.make_tensor('i', TensorProto.INT64, [2], [1, -2]),
        helper.make_tensor('h', TensorProto.FLOAT16, [2], [0.5, 0.25])])
    yield 'typed', typed
    dims = parse('dims', 18, 'float[n,3] x, float[m,3] y', 'float[k,3] z',
                 'z = Concat<axis=0>(x, y)')
    dims.graph.input[1].type.tensor_type.shape.dim[0].dim_param = '2*n+1'
    yield 'dims', dims
    local = parse('local', 18, 'float[2] x', 'float[2] y', 'y = local.twice(x)', ', "local" : 1')
    local.functions.append(helper.make_function(
        'local', 'twice', ['a'], ['b'], [helper.make_node('Add', ['a', 'a'], ['b'])],
        [helper.make_opsetid('', 18)]))
    yield 'local', local
    sparse = parse('sparse', 18, 'float[3] x', 'float[3] y', 'y = Add(x, s)')
    sparse.graph.sparse_initializer.append(helper.make_sparse_tensor(
        helper.make_tensor('s', TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor('s_i', TensorProto.INT64, [1], [1]), [3]))
    yield 'sparse', sparse


def models():
    for name, entry in MODELS.items():
        yield name, parse(name, 18, *entry)
        if ', ' in entry[0]:
            yield name + '_w', weights_inside(parse(name, 18, *entry))
    for name, (opset, *entry) in NEWER.items():
        yield name, parse(name, opset, *entry)
    for name, entry in CONTRIB.items():
        yield name, parse(name, 18, *entry, ', "com.microsoft" : 1')
    yield from odd_models()


def keep(folder, name, data):
    folder.mkdir(parents=True, exist_ok=True)
    if len(data) <= LARGEST:
        (folder / name).write_bytes(data)


def dims_of(path):
    """Names of the dims of a model's inputs."""
    ports = onnx.load(path, load_external_data=False).graph.input
    return {d.dim_param for p in ports for d in p.type.tensor_type.shape.dim}


def compile_model(dmsc, model, *options):
    """dmsc's answer; a model that it refuses is an input all the same."""
    dims = ['--dim', 'n=3'] if 'n' in dims_of(model) else []
    return subprocess.run([dmsc, model, '-q', *options, *dims], capture_output=True).returncode


# Budgets of a plan: the profile's, the smallest device, and the smallest host beside it.
BUDGETS = {'': (), '_floor': ('--device-mem', 'floor'),
           '_nvme': ('--device-mem', 'floor', '--host-mem', '40000')}


def plans(dmsc, folder, scratch):
    """Plans of every model; some problems."""
    for model in sorted((folder / 'model').iterdir()):
        has_weights = model.name.endswith('_w') or model.name == 'outside'
        for name, budget in BUDGETS.items() if has_weights else [('', ())]:
            plan = scratch / 'plan'
            plan.unlink(missing_ok=True)
            if compile_model(dmsc, model, '-o', plan, *budget) == 0:
                keep(folder / 'plan', model.name + name, plan.read_bytes())
        problem = scratch / 'problem'
        if model.name in ('attention', 'conv_w', 'outside') and compile_model(
                dmsc, model, '--dump-problem', problem) == 0:
            keep(folder / 'problem', model.name, problem.read_bytes())


def array_bytes(scratch, values, fortran=False, version=None):
    path = scratch / 'array.npy'
    with path.open('wb') as file:
        np.lib.format.write_array(file, np.asarray(values, order='F' if fortran else 'C'), version)
    return path.read_bytes()


def arrays(folder, scratch):
    random = np.random.default_rng(11)
    f32 = random.standard_normal((2, 3)).astype(np.float32)
    cases = {'f32': f32, 'i64': np.arange(4), 'bool': np.array([[True], [False]]),
             'f16': f32.astype(np.float16), 'u8': np.arange(7, dtype=np.uint8),
             'scalar': np.float64(1.5), 'empty': np.zeros((0, 3), np.float32),
             'big_endian': f32.astype('>f4'), 'text': np.array(['a', 'b'])}
    for name, values in cases.items():
        data = array_bytes(scratch, values)
        keep(folder / 'npy', name, data)
        if name in ('f32', 'i64', 'scalar', 'empty'):
            keep(folder / 'dims', 'npy_' + name, b'\0' + data)
    keep(folder / 'npy', 'fortran', array_bytes(scratch, f32, fortran=True))
    keep(folder / 'npy', 'version2', array_bytes(scratch, f32, version=(2, 0)))
    keep(folder / 'npy', 'version3', array_bytes(scratch, f32, version=(3, 0)))
    for name, save, members in (('one', np.savez, {'x': f32}), ('packed', np.savez_compressed,
                                {'x': f32}), ('two', np.savez, {'a': f32, 'x': np.arange(3)})):
        save(scratch / 'a.npz', **members)
        keep(folder / 'npz', name, (scratch / 'a.npz').read_bytes())
    tensors(folder, f32)


def tensors(folder, f32):
    raw = numpy_helper.from_array(f32, 'x')
    protos = {'raw': raw, 'scalar': numpy_helper.from_array(np.float32(2), 's')}
    for name, kind, values in (
            ('float', TensorProto.FLOAT, [1.0, 2.0]), ('int32', TensorProto.INT32, [1, -1]),
            ('int64', TensorProto.INT64, [1, -1]), ('double', TensorProto.DOUBLE, [1.0]),
            ('uint64', TensorProto.UINT64, [1]), ('int8', TensorProto.INT8, [-3]),
            ('half', TensorProto.FLOAT16, [0.5]), ('string', TensorProto.STRING, [b'a'])):
        protos[name] = helper.make_tensor(name, kind, [len(values)], values)
    for name, proto in protos.items():
        data = proto.SerializeToString(deterministic=True)
        keep(folder / 'pb', name, data)
        if name in ('raw', 'int64', 'scalar'):
            keep(folder / 'dims', 'pb_' + name, b'\1' + data)


# Scripts of fuzz_plan_run: which plan, how many changes, then kinds and choices.
SCRIPTS = {'drop_wait': [0, 1, 0, 1, 9], 'loosen_wait': [0, 1, 1, 1, 12, 0, 1, 1],
           'move': [0, 0, 2, 1, 7, 2, 1], 'elsewhere': [1, 0, 3, 1, 4, 1],
           'shift': [6, 0, 7, 3, 1, 2], 'shrink': [7, 0, 8, 9, 2, 1, 3], 'home': [2, 0, 9, 1, 3, 1],
           'cells': [6, 2, 11, 1, 2, 5, 1, 0], 'size': [17, 0, 12, 5, 1, 2, 3, 1, 0],
           'parameter': [23, 0, 14, 1, 1, 1, 8], 'kernel': [3, 0, 15, 2, 1, 3],
           'file': [0, 4, 16, 1, 3, 0, 2, 16, 0, 1, 2], 'constant': [21, 0, 16, 1, 1, 4, 3]}


def words(dmsc):
    """Per target, words that a fuzzer would have to guess byte by byte."""
    listed = subprocess.run([dmsc, '--list-ops'], capture_output=True, text=True, check=True).stdout
    operators = [line.split()[0] for line in listed.splitlines()[1:] if line.strip()]
    attributes = {word for entry in [*MODELS.values(), *NEWER.values()]
                  for word in re.findall(r'[<,] ?([a-z_]+)=', entry[-1])}
    return {'model': sorted({*operators, *attributes, 'ai.onnx', 'com.microsoft', 'n+1', '2*n'}),
            'npy': ["'descr': ", "'fortran_order': ", "'shape': (", 'True', 'False', '<f4', '<f2',
                    '<f8', '<i8', '<i4', '|u1', '|i1', '|b1', '>f4', '=f4', '(1,)', '()'],
            'npz': ['PK\\x01\\x02', 'PK\\x03\\x04', 'PK\\x05\\x06', 'PK\\x06\\x06', 'x.npy'],
            'profile': json_words(HERE.parent.parent / 'planner' / 'profiles' / 'cpu.json'),
            'problem': ['"w"', '"i"', '"a"', '"o"', '-1', '1e18', '1e400', '[]', '[[', '"layer"',
                        '"steps"', '"tensors"', '"budgets"', '"host_mem"', '"links"', '"h2d"',
                        '"stored"']}


def json_words(path):
    return sorted(set(re.findall(r'"[a-z0-9_-]+"', path.read_text()))) + ['-1', '0', '1e3', '[]']


def write_dictionaries(dmsc):
    for name, entries in words(dmsc).items():
        lines = []
        for word in entries:
            quoted = word if '\\x' in word else word.replace('\\', '\\\\')
            lines.append('"' + quoted.replace('"', '\\"') + '"\n')
        (HERE / f'{name}.dict').write_text(''.join(lines))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    dmsc = pathlib.Path(sys.argv[1]) / 'dmsc'
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else HERE / 'corpus'
    scratch = pathlib.Path(sys.argv[1]) / 'corpus'
    scratch.mkdir(parents=True, exist_ok=True)
    for old in folder.glob('*/*'):
        if not old.name.startswith('crash'):
            old.unlink()
    for name, model in models():
        keep(folder / 'model', name, model.SerializeToString(deterministic=True))
    plans(dmsc, folder, scratch)
    write_dictionaries(dmsc)
    arrays(folder, scratch)
    for name, script in SCRIPTS.items():
        keep(folder / 'plan_run', name, bytes(script))
    for profile in sorted((HERE.parent.parent / 'planner' / 'profiles').glob('*.json')):
        keep(folder / 'profile', profile.stem, profile.read_bytes())


if __name__ == '__main__':
    main()
