"""usage: run_machine.py BUILD MODELS [WORD]

Machines and inputs that fail in earnest: a full disk (a tmpfs of 1 MiB in a mount namespace; skipped
where none may be made), weights that vanish, shrink or change while they are read, memory that is
not granted, signals at random moments, threads that stand still, and indices outside of what they
index, fed to every operator that takes them at run time. WORD: only tests whose name has it."""
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'e2e'))
from programs import Failure, Programs, need  # noqa: E402

TESTS = []
MLP = ('--dim', 'rows=5')
LIMIT_S = 60


def test(function):
    TESTS.append(function)
    return function


class Skipped(Exception):
    """A test that cannot be done here."""


class Bench(Programs):
    def __init__(self, build, models, scratch):
        super().__init__(build, scratch)
        self.models = models
        shutil.copytree(models / 'external_opset21', self.scratch / 'mlp')
        self.mlp = self.scratch / 'mlp' / 'model.onnx'
        self.weights = self.scratch / 'mlp' / 'weights.bin'

    def refused(self, done, code, *names):
        """One message, this exit code, these words in it."""
        need(done.returncode == code, f'exit code {done.returncode}, wanted {code}: {done.stderr}')
        need(len(done.stderr.splitlines()) == 1, f'not one line: {done.stderr}')
        for name in names:
            need(name in done.stderr, f'{name!r} is not named in: {done.stderr}')

    def needs_no_sanitizer(self):
        """Theirs are terabytes of addresses, and records that grow."""
        if self.is_sanitized():
            raise Skipped('a build with sanitizers')

    def call(self, program, *words, before=None, cwd=None):
        return subprocess.run([str(w) for w in (self.build / program, *words)], cwd=cwd,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT_S, check=False, preexec_fn=before)


# ---- a full disk -------------------------------------------------------------------------------

def on_a_small_disk(b, script):
    """Runs a script in a namespace with 1 MiB of tmpfs at $DISK, of which 40 KiB are left."""
    disk = b.scratch / 'disk'
    disk.mkdir()
    probe = subprocess.run(['unshare', '-rm', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', disk],
                           capture_output=True, check=False)
    if probe.returncode != 0:
        raise Skipped('no mount namespace')
    head = (f'set -e; DISK={disk}; mount -t tmpfs -o size=1m none $DISK; cd $DISK; '
            'echo older > a.plan; echo older > a.npy; cp a.plan before; '
            f'head -c 983040 /dev/zero > fill; MODEL={b.mlp}; PATH={b.build}:$PATH; set +e\n')
    return subprocess.run(['unshare', '-rm', 'bash', '-c', head + script], capture_output=True,
                          text=True, timeout=LIMIT_S, check=False)


@test
def a_plan_for_which_the_disk_has_no_room_leaves_the_older_one(b):
    shutil.copytree(b.models / 'decoder_opset17', b.scratch / 'decoder')
    done = on_a_small_disk(b, f'''
        dmsc {b.scratch}/decoder/model.onnx --dims-from {b.scratch}/decoder/set0 -q -o a.plan; code=$?
        cmp a.plan before && ls && exit $code''')
    b.refused(done, 4, 'a.plan', 'No space left')
    need(done.stdout.split() == ['a.npy', 'a.plan', 'before', 'fill'], f'left: {done.stdout}')


@test
def packing_onto_a_full_disk_names_file_and_place(b):
    done = on_a_small_disk(b, '''
        dmsc $MODEL --dim rows=5 -q -o a.plan --pack .; code=$?
        cmp a.plan before && ls && exit $code''')
    b.refused(done, 4, 'model.dmspack', 'at byte', 'No space left')
    need(done.stdout.split() == ['a.npy', 'a.plan', 'before', 'fill'], f'left: {done.stdout}')


@test
def views_and_traces_on_a_full_disk_leave_nothing(b):
    b.compile(b.mlp, b.mlp.parent / 'a.plan', *MLP)
    for command in ('dmsc $MODEL --dim rows=5 -q --dump-problem t.json',
                    f'dmsrun {b.mlp.parent}/a.plan --trace t.json'):
        shutil.rmtree(b.scratch / 'disk', ignore_errors=True)
        done = on_a_small_disk(b, f'cat fill > more 2>/dev/null; rm before\n{command}; code=$?\n'
                                  'ls && exit $code')
        b.refused(done, 4, 't.json', 'No space left')
        need('t.json' not in done.stdout, f'left: {done.stdout}')


@test
def outputs_for_which_the_disk_has_no_room_leave_nothing(b):
    shutil.copytree(b.models / 'decoder_opset17', b.scratch / 'decoder')
    plan = b.scratch / 'decoder' / 'a.plan'
    b.compile(b.scratch / 'decoder' / 'model.onnx', plan, '--dims-from', b.scratch / 'decoder' / 'set0')
    done = on_a_small_disk(b, f'cat fill > more 2>/dev/null\ndmsrun {plan} --output out; code=$?\n'
                              'ls && exit $code')
    b.refused(done, 4, 'output_0.npy', 'No space left')
    need('out' not in done.stdout.split(), f'left: {done.stdout}')


@test
def of_outputs_that_cannot_all_be_written_none_is(b):
    """The sixth of seven has the name of a folder; the first has an older file."""
    shutil.copytree(b.models / 'decoder_cache_opset18', b.scratch / 'decoder')
    plan, out = b.scratch / 'decoder' / 'a.plan', b.scratch / 'out'
    b.compile(b.scratch / 'decoder' / 'model.onnx', plan, '--dims-from', b.scratch / 'decoder' / 'set0')
    (out / 'output_5.npy').mkdir(parents=True)
    (out / 'output_0.npy').write_text('older')
    b.refused(b.call('dmsrun', plan, '--output', out), 4, 'output_5.npy')
    need(sorted(p.name for p in out.iterdir()) == ['output_0.npy', 'output_5.npy'], 'files are left')
    need((out / 'output_0.npy').read_text() == 'older', 'the older file is gone')
    (out / 'output_5.npy').rmdir()
    b.dmsrun(plan, '--output', out)
    need(len(list(out.iterdir())) == 7, 'seven outputs are seven files')


# ---- weights that do not stay --------------------------------------------------------------------

def running(b, *words):
    """A run of many turns that read their weights from the file, after its first turns."""
    plan = b.mlp.parent / 'a.plan'
    b.compile(b.mlp, plan, *MLP, '--device-mem', '25%', '--host-mem', '25%')
    run = subprocess.Popen([str(w) for w in (b.build / 'dmsrun', plan, '--iterations', 10 ** 6, *words)],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True)
    ticks, begin = 0, time.monotonic()
    while ticks < 20:
        need(run.poll() is None and time.monotonic() < begin + LIMIT_S, 'the run did not get going')
        fields = pathlib.Path(f'/proc/{run.pid}/stat').read_text().rpartition(')')[2].split()
        ticks = int(fields[11]) + int(fields[12])
        time.sleep(0.01)
    return run


def ended(run):
    try:
        out, err = run.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired as e:
        run.kill()
        raise Failure('still running') from e
    return subprocess.CompletedProcess(run.args, run.returncode, out, err)


@test
def weights_that_shrink_end_the_run_with_4_and_the_place(b):
    for bytes_left in (0, 4096 * 3 + 1):
        run = running(b, '--output', b.scratch / 'out')
        with open(b.weights, 'r+b') as f:
            whole = f.read()
            f.truncate(bytes_left)
        b.refused(ended(run), 4, 'weights.bin', 'ends at byte')
        need(not list((b.scratch / 'out').glob('*')), 'outputs were written')
        b.weights.write_bytes(whole)


@test
def weights_that_are_removed_are_read_on(b):
    run = running(b)
    b.weights.unlink()
    time.sleep(0.3)
    need(run.poll() is None, 'the open file ended the run')
    run.terminate()
    b.refused(ended(run), 130, 'interrupted')
    b.refused(b.call('dmsrun', b.mlp.parent / 'a.plan'), 4, 'weights.bin')


@test
def weights_that_may_not_be_read_are_named(b):
    plan = b.mlp.parent / 'a.plan'
    b.compile(b.mlp, plan, *MLP)
    b.weights.unlink()
    b.weights.mkdir()
    b.refused(b.call('dmsrun', plan), 4, 'weights.bin')
    b.refused(b.call('dmsc', b.mlp, *MLP), 4, 'weights.bin')
    b.weights.rmdir()
    os.mkfifo(b.weights)
    b.refused(b.call('dmsrun', plan), 4, 'weights.bin')
    b.refused(b.call('dmsc', b.mlp, *MLP), 4, 'weights.bin')


@test
def weights_are_not_packed_over(b):
    """MODEL.dmspack is the file of the weights itself."""
    moved = b.weights.with_name('model.dmspack')
    b.weights.rename(moved)
    model = onnx.load(b.mlp, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == 'location':
                entry.value = moved.name
    b.mlp.write_bytes(model.SerializeToString())
    whole = moved.read_bytes()
    b.refused(b.call('dmsc', b.mlp, *MLP, '--pack', b.mlp.parent), 4, 'model.dmspack', 'not packed over')
    need(moved.read_bytes() == whole, 'the weights changed')


# ---- memory that is not granted ------------------------------------------------------------------

@test
def address_space_that_is_limited_is_a_message_at_every_limit(b):
    b.needs_no_sanitizer()
    plan = b.mlp.parent / 'a.plan'
    b.compile(b.mlp, plan, *MLP)
    seen = set()
    for mib in (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 128):
        def limit(size=mib << 20):
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        for words in (('dmsc', b.mlp, *MLP, '-q', '--device-mem', '50%'), ('dmsrun', plan, '--threads', 4)):
            done = b.call(*words, before=limit)
            own = f'{words[0]}: error: '
            if done.returncode == 127 or 'shared libraries' in done.stderr:
                continue  # not even loaded
            need(done.returncode in (0, 1, 4, 8), f'{mib} MiB: {words[0]}: exit code {done.returncode}')
            need(done.returncode == 0 or (done.stderr.startswith(own) and done.stderr.count('\n') == 1),
                 f'{mib} MiB: {done.stderr}')
            seen.add((words[0], done.returncode))
    need(('dmsc', 0) in seen and ('dmsrun', 0) in seen, f'nothing ever passed: {seen}')
    need(len(seen) >= 4, f'no limit was too small: {seen}')


def grown_bytes(b, turns, *budget):
    """What so many more turns take, but for the three times that are kept of each. The kernel counts
    pages in batches, so one peak is known to some 150 KiB: of five the median is taken."""
    plan = b.mlp.parent / 'a.plan'
    b.compile(b.mlp, plan, *MLP, *budget)
    peak = [statistics.median(b.run(plan, '--iterations', 100 + n, '--threads', 1)['peak_rss_bytes']
                              for _ in range(5)) for n in (0, turns)]
    return peak[1] - peak[0] - 3 * 8 * turns


@test
def turns_from_storage_take_no_more_memory(b):
    b.needs_no_sanitizer()
    grown = grown_bytes(b, 2000, '--device-mem', '25%', '--host-mem', '25%')
    need(grown < 128 << 10, f'{grown} bytes more than the times of the turns')


@test
def ten_thousand_turns_take_no_more_memory(b):
    b.needs_no_sanitizer()
    grown = grown_bytes(b, 10000)
    need(grown < 192 << 10, f'{grown} bytes more than the times of the turns')


# ---- signals and stalls --------------------------------------------------------------------------

def preload(b, **faults):
    """The environment of a program whose n-th call of a kind does not do what it should: fault.c."""
    return {**os.environ, 'LD_PRELOAD': str(b.build / 'tests' / 'fault.so'),
            'ASAN_OPTIONS': 'verify_asan_link_order=0', **faults}


def interrupted(b, words, outputs, seed, folder):
    """Runs words, with a signal at a random moment, 24 times (9 under sanitizers, where it takes long):
    what happened, by exit code. Every third of them stands still for as long as it all takes when its first file is about to get its name,
    another third when it is to be written out: most of their signals come then."""
    random, codes = np.random.default_rng(seed), {}
    begin = time.monotonic()
    need(b.call(*words, cwd=folder).returncode == 0, 'does not pass without a signal')
    lasts = time.monotonic() - begin
    good = {name: (folder / name).read_bytes() for name in outputs}
    before = sorted(p.name for p in folder.iterdir())
    for k in range(9 if b.is_sanitized() else 24):
        for name in outputs:
            (folder / name).write_bytes(b'older')
        number = signal.SIGINT if random.integers(2) else signal.SIGTERM
        stall = {} if k % 3 == 0 else {'FAULT_KIND': 'rename' if k % 3 == 1 else 'write',
                                       'FAULT_AT': '1', 'FAULT_STALL': str(int(1000 * lasts))}
        run = subprocess.Popen([str(w) for w in (b.build / words[0], *words[1:])], cwd=folder,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=preload(b, **stall))
        time.sleep((random.random() * 1.1 + (k % 3 != 0) * 0.7) * lasts)
        run.send_signal(number)
        done = ended(run)
        codes[done.returncode] = codes.get(done.returncode, 0) + 1
        need(done.returncode in (0, 130, -number), f'exit code {done.returncode}: {done.stderr}')
        if done.returncode == 130:
            b.refused(done, 130, 'interrupted')
        left = sorted(p.name for p in folder.iterdir())
        need(left == before, f'{left} instead of {before}')
        data = {name: (folder / name).read_bytes() for name in outputs}
        new = [data[name] == good[name] for name in outputs]
        need(all(new) or all(old == b'older' for old in data.values()), 'neither old nor new files')
        need(all(new) or done.returncode != 0, 'passed, and wrote nothing')
        need(done.returncode >= 0 or not any(new), 'killed after it had written')
    return codes


@test
def a_signal_at_any_moment_ends_a_compile_cleanly(b):
    folder = b.scratch / 'mlp'
    words = ('dmsc', b.mlp, *MLP, '-q', '-o', 'a.plan', '--device-mem', '40%', '--curve', 'c.csv')
    codes = interrupted(b, words, ['a.plan'], 1, folder)
    need(codes.get(130, 0) > 0, f'no signal came in time: {codes}')


@test
def a_signal_at_any_moment_ends_a_run_cleanly(b):
    folder = b.scratch / 'mlp'
    b.compile(b.mlp, folder / 'a.plan', *MLP, '--device-mem', '25%', '--host-mem', '25%')
    words = ('dmsrun', 'a.plan', '--iterations', 300, '--output', '.')
    codes = interrupted(b, words, ['output_0.npy'], 2, folder)
    need(codes.get(130, 0) > 0, f'no signal came in time: {codes}')


@test
def a_queue_that_stands_still_for_seconds_changes_no_bit(b):
    """One call of a queue's thread, of the clock or of a read, takes two seconds."""
    plan = b.mlp.parent / 'a.plan'
    b.compile(b.mlp, plan, *MLP, '--device-mem', '25%', '--host-mem', '25%')
    words = ('dmsrun', plan, '--iterations', 4, '--threads', 2, '--digest')

    def digests(**faults):
        begin = time.monotonic()
        done = subprocess.run([str(w) for w in (b.build / words[0], *words[1:])], capture_output=True,
                              text=True, timeout=LIMIT_S, check=False,
                              env=preload(b, **faults))
        need(done.returncode == 0, f'{faults}: exit code {done.returncode}: {done.stderr}')
        found = [w for w in done.stdout.split() if len(w) == 32 and set(w) <= set('0123456789abcdef')]
        need(found, f'no digest in: {done.stdout}')
        return found, time.monotonic() - begin

    good, _ = digests()
    n_stalled = 0
    for kind, at in (('clock', 20), ('clock', 41), ('clock', 62), ('clock', 83), ('read', 12),
                     ('read', 25)):
        got, took = digests(FAULT_KIND=kind, FAULT_AT=str(at), FAULT_STALL='2000')
        need(got == good, f'{kind} {at}: other bits')
        n_stalled += took > 2
    need(n_stalled >= 5, f'only {n_stalled} of 6 stood still')


# ---- hostile indices -----------------------------------------------------------------------------

# name: node, inputs beside 'i' {name: dims}, dims of the indices, entries they select from,
# what happens outside: 7 (refused) or 0 (defined by the standard, or clamped)
F, X = TensorProto.FLOAT, [4, 6]
INDEXED = {
    'gather': (helper.make_node('Gather', ['x', 'i'], ['y'], axis=1), {'x': X}, [3], 6, 7),
    'gather-rows': (helper.make_node('Gather', ['x', 'i'], ['y'], axis=0), {'x': X}, [2, 2], 4, 7),
    'gather-elements': (helper.make_node('GatherElements', ['x', 'i'], ['y'], axis=0), {'x': X},
                        [2, 6], 4, 7),
    'gather-nd': (helper.make_node('GatherND', ['x', 'i'], ['y']), {'x': X}, [3, 2], 4, 7),
    'gather-nd-batch': (helper.make_node('GatherND', ['x', 'i'], ['y'], batch_dims=1), {'x': X},
                        [4, 1], 6, 7),
    'scatter-elements': (helper.make_node('ScatterElements', ['x', 'i', 'u'], ['y'], axis=1),
                         {'x': X, 'u': [4, 2]}, [4, 2], 6, 7),
    'scatter-add': (helper.make_node('ScatterElements', ['x', 'i', 'u'], ['y'], axis=0,
                                     reduction='add'), {'x': X, 'u': [2, 6]}, [2, 6], 4, 7),
    'scatter-nd': (helper.make_node('ScatterND', ['x', 'i', 'u'], ['y']), {'x': X, 'u': [3]},
                   [3, 2], 4, 7),
    'scatter-nd-max': (helper.make_node('ScatterND', ['x', 'i', 'u'], ['y'], reduction='max'),
                       {'x': X, 'u': [2, 6]}, [2, 1], 4, 7),
    'one-hot': (helper.make_node('OneHot', ['i', 'depth', 'v'], ['y']), {'v': [2]}, [5], 7, 0),
    'rotary': (helper.make_node('RotaryEmbedding', ['x', 'cos', 'sin', 'i'], ['y'], num_heads=2), {'x': [1, 3, 8], 'cos': [5, 2], 'sin': [5, 2]}, [1, 3], 5, 7),
    'gru-lengths': (helper.make_node('GRU', ['x', 'w', 'r', '', 'i'], ['y'], hidden_size=4),
                    {'x': [5, 2, 3], 'w': [1, 12, 3], 'r': [1, 12, 4]}, [2], 6, 7),
    'lstm-lengths': (helper.make_node('LSTM', ['x', 'w', 'r', '', 'i'], ['y'], hidden_size=4),
                     {'x': [5, 2, 3], 'w': [1, 16, 3], 'r': [1, 16, 4]}, [2], 6, 7),
}


def make_indexed(folder, node, inputs, dims, kind):
    values = [helper.make_tensor_value_info(n, F, d) for n, d in inputs.items()]
    constants = []
    if 'depth' in node.input:
        constants.append(helper.make_tensor('depth', TensorProto.INT64, [1], [7]))
    graph = helper.make_graph([node], 'g', [*values, helper.make_tensor_value_info('i', kind, dims)],
                              [helper.make_empty_tensor_value_info('y')], constants)
    graph.output[0].type.tensor_type.elem_type = F
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 23 if node.op_type ==
                                                                         'RotaryEmbedding' else 18)]),
              folder / 'model.onnx')
    rng = np.random.default_rng(3)
    for name, shape in inputs.items():
        np.save(folder / f'{name}.npy', rng.standard_normal(shape).astype(np.float32))


def hostile(entries, kind, is_sanitized):
    """Under sanitizers those at the edges: one that is followed leaves the memory at once."""
    info = np.iinfo(kind)
    wide = [1 << 32, -(1 << 32), 1 << 62] if kind == np.int64 else []
    edges = [entries, -entries - 1, info.max, info.min, *wide[:1]]
    return edges if is_sanitized else [*edges, entries + 1, -entries - 2, 1 << 20, -(1 << 20),
                                       info.max - 1, info.max // 2 + 1, *wide[1:]]


@test
def indices_outside_are_refused_or_defined_never_followed(b):
    n_refused = n_run = 0
    for name, (node, inputs, dims, entries, outside) in INDEXED.items():
        for kind in (np.int64, np.int32):
            if 'lengths' in name and kind == np.int64 or name == 'rotary' and kind == np.int32:
                continue  # the standard knows one of them
            folder = b.scratch / f'{name}-{np.dtype(kind)}'
            folder.mkdir()
            make_indexed(folder, node, inputs, dims, helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
            b.dmsc(folder / 'model.onnx', '-o', folder / 'a.plan', '-q')
            words = [w for n in inputs for w in ('--input', f'{n}={folder}/{n}.npy')]
            words += ['--input', f'i={folder}/i.npy', '--poison', '--output', folder / 'out']
            for k, bad in enumerate([0, *hostile(entries, kind, b.is_sanitized())]):
                i = np.ones(dims, kind)
                i.flat[k % i.size] = bad
                np.save(folder / 'i.npy', i)
                want = outside if k else 0
                if name == 'gather-nd' or name == 'scatter-nd':  # a pair: the second selects from 6
                    want = 0 if k == 0 or (bad in (4, 5, -5, -6) and k % 2 == 1) else outside
                done = b.call('dmsrun', folder / 'a.plan', *words)
                need(done.returncode == want, f'{name} {np.dtype(kind)}: {bad} at {k % i.size}: '
                                              f'exit code {done.returncode}: {done.stderr}')
                if want == 7:
                    b.refused(done, 7, 'out of range', 'step')
                    need(not list((folder / 'out').glob('*')), f'{name}: outputs were written')
                for path in (folder / 'out').glob('*'):
                    path.unlink()
                n_refused, n_run = n_refused + (want == 7), n_run + (want == 0)
    need(n_refused > 70 and n_run > 20, f'{n_refused} refused, {n_run} run')


@test
def coordinates_that_are_no_numbers_touch_nothing_outside(b):
    for mode in ('bilinear', 'nearest', 'bicubic'):
        for padding in ('zeros', 'border', 'reflection'):
            folder = b.scratch / f'{mode}-{padding}'
            folder.mkdir()
            node = helper.make_node('GridSample', ['x', 'g'], ['y'], mode=mode, padding_mode=padding)
            value = [helper.make_tensor_value_info(n, F, d)
                     for n, d in (('x', [1, 2, 4, 5]), ('g', [1, 3, 4, 2]), ('y', [1, 2, 3, 4]))]
            graph = helper.make_graph([node], 'g', value[:2], value[2:])
            onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)]),
                      folder / 'model.onnx')
            b.dmsc(folder / 'model.onnx', '-o', folder / 'a.plan', '-q')
            np.save(folder / 'x.npy', np.ones((1, 2, 4, 5), np.float32))
            bad = [np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9, 1e19, 2e9, 1e-40, 5, -5]
            np.save(folder / 'g.npy', np.array(bad * 2, np.float32).reshape(1, 3, 4, 2))
            b.dmsrun(folder / 'a.plan', '--input', f'x={folder}/x.npy', '--input', f'g={folder}/g.npy',
                     '--poison')


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    build, models = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
    chosen = [t for t in TESTS if len(sys.argv) < 4 or sys.argv[3] in t.__name__]
    failed = skipped = 0
    for function in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                function(Bench(build, models, scratch))
            except Skipped as e:
                skipped += 1
                print(f'skipped {function.__name__}: {e}', flush=True)
            except Exception as e:  # whatever went wrong is a failure of this test alone
                failed += 1
                kind = '' if isinstance(e, Failure) else f'{type(e).__name__}: '
                print(f'FAILED {function.__name__}\n    {kind}{e}', flush=True)
    passed = len(chosen) - failed - skipped
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
