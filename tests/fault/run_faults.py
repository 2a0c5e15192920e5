"""run_faults.py BUILD MODELS [--places | --all] [--jobs N] [WORD]

Every call on which dmsc and dmsrun depend fails once: the n-th allocation, open, read, write, sync,
rename, close, stat, mmap, start of a thread and io_uring call, for n = 1, 2, ... until the command
passes (BUILD/tests/fault.so, see fault.c). Each time the exit code is the documented one, the
message is one sentence, every output is the old file or the whole new one, and nothing else is
left behind, memory in use at the end included. BUILD may be a build with sanitizers: then reports of
theirs fail as well.

Without --all the first N calls of a kind (--first N, 10), the last N/2 and a sample between are
tried; with --places the first call from every place of the program as well, a place being a whole stack of
callers. --all tries every number, and goes on behind the last one counted until a command passes
that never came so far; a sample only of signals, of calls that wait and of calls that fail from
then on. WORD: only cases whose name has it (CASE/KIND, say 'pack/write')."""
import argparse
import concurrent.futures
import errno
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile

import numpy as np

LEAKS = pathlib.Path(__file__).resolve().parent / 'leaks.txt'
LIMIT_S = 30
OLD = b'what was here before'
GROWTH = 2
MOST_MORE = 1000  # calls behind the counted ones that --all tries before it gives up

# kind: exit codes that its failures may have beside 0, words of which the message holds one
OUT_OF_MEMORY = ('out of memory', 'Cannot allocate memory', 'starting')  # a thread: EAGAIN
KINDS = {
    'alloc': ((1, 4), OUT_OF_MEMORY),
    'open': ((4,), ("'", 'temporary file')),
    'read': ((4,), ("'",)),
    'short': ((), ()),
    'write': ((4,), ("'", 'temporary file')),
    'sync': ((4,), ("'",)),
    'rename': ((4,), ("'",)),
    'close': ((4,), ("'",)),
    'stat': ((4,), ("'",)),
    'map': ((1, 8), ('arena', 'scratch', 'out of memory')),
    'thread': ((1,), ('thread',)),
    'uring': ((4,), ("'",)),
    'ever': ((1, 4, 8), ("'", 'temporary file', *OUT_OF_MEMORY, 'thread', 'arena', 'scratch')),
    'signal': ((130,), ('interrupted',)),
    'stall': ((), ()),
}
# how a kind is asked of fault.so: its own name, but for these
ASKED = {
    'short': [{'FAULT_KIND': 'read', 'FAULT_SHORT': '1'},
              {'FAULT_KIND': 'write', 'FAULT_SHORT': '1'}],
    'signal': [{'FAULT_KIND': kind, 'FAULT_SIGNAL': str(int(number))}
               for kind, number in (('write', signal.SIGINT), ('rename', signal.SIGTERM),
                                    ('open', signal.SIGTERM), ('read', signal.SIGINT),
                                    ('clock', signal.SIGTERM), ('sync', signal.SIGINT),
                                    ('alloc', signal.SIGTERM))],
    # what failed once fails again and again
    'ever': [{'FAULT_KIND': kind, 'FAULT_EVER': '1'}
             for kind in ('alloc', 'open', 'read', 'write', 'close', 'stat', 'map', 'uring')] +
            [{'FAULT_KIND': kind, 'FAULT_EVER': '1', 'FAULT_ERROR': str(errno.EAGAIN)}
             for kind in ('read', 'uring')],
    # a thread that the machine does not run, a disk that does not answer
    'stall': [{'FAULT_KIND': kind, 'FAULT_STALL': '300'} for kind in ('clock', 'read')],
}
# calls that are tried of each way, spread evenly, for each 10 of --first; with --all four times that
MOST = {'stall': 2, 'signal': 8, 'ever': 10}


class Case:
    """A command: its words (MODEL, DIR and file names in the folder of a run), what it writes."""

    def __init__(self, name, model, program, words, writes=(), plan=None):
        self.name, self.model, self.program = name, model, program
        self.words, self.writes, self.plan = words.split(), writes, plan
        self.said = set()  # lines on the standard output of a run without faults
        self.is_set = name in ('consts', 'run-outputs')  # what it writes stands together


ENCODER = '--dim batch=1 --dim seq=9'
BRANCHES = '--dims-from set0'
CASES = [
    Case('plan', 'external_opset21', 'dmsc', '-o a.plan --dim rows=5 --device-mem 50%', ['a.plan']),
    Case('consts', 'decoder_opset17', 'dmsc', '-o a.plan --dims-from set0',
         ['a.plan', 'a.plan.consts']),
    Case('tiers', 'external_opset21', 'dmsc',
         '-o a.plan --dim rows=5 --device-mem 25% --host-mem 25%', ['a.plan']),
    Case('pack', 'external_opset21', 'dmsc',
         '-o a.plan --dim rows=5 --device-mem 25% --host-mem 25% --pack .',
         ['a.plan', 'model.dmspack']),
    Case('views', 'external_opset21', 'dmsc',
         '--dim rows=5 --device-mem 50% --json a.json --dot a.dot --trace t.json --curve c.csv '
         '--curve-points 2 --dump-problem p.json -q', ['a.json', 'a.dot', 't.json', 'c.csv', 'p.json']),
    Case('exact', 'branches_opset18', 'dmsc', f'{BRANCHES} --device-mem floor --exact -q'),
    Case('dump', 'external_opset21', 'dmsc', '--dump in.plan', plan='--dim rows=5'),
    Case('verify', 'external_opset21', 'dmsc', '--verify in.plan model.onnx', plan='--dim rows=5'),
    Case('run', 'external_opset21', 'dmsrun',
         'in.plan --input x=set1/input_0.npy --output . --threads 2 --json r.json',
         ['output_0.npy', 'r.json'], '--dim rows=5 --device-mem 50%'),
    Case('run-tiers', 'external_opset21', 'dmsrun',
         'in.plan --threads 1 --iterations 3 --compare set1 --trace t.json --verify-weights',
         ['t.json'], '--dim rows=5 --device-mem 25% --host-mem 25%'),
    Case('run-packed', 'external_opset21', 'dmsrun',
         'in.plan --threads 1 --iterations 2 --input x=x.npz --output .', ['output_0.npy'],
         '--dim rows=5 --device-mem 25% --host-mem 25% --pack .'),
    Case('run-outputs', 'streaming_opset22', 'dmsrun', 'in.plan --threads 1 --output .',
         [f'output_{i}.npy' for i in range(4)], '--dims-from set0 --device-mem floor'),
    Case('run-pb', 'external_opset21', 'dmsrun', 'in.plan --input x=x.pb --digest --stats', [],
         '--dim rows=5'),
    Case('run-large', 'wide', 'dmsrun', 'in.plan --threads 1 --iterations 2 --output .',
         ['output_0.npy'], '--device-mem 60% --host-mem 30% --pack .'),
]


def make_wide(folder):
    """A model whose file is large enough to be read past the page cache."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    width = 1536
    rng = np.random.default_rng(1)
    weights = [numpy_helper.from_array(rng.standard_normal((width, width)).astype(np.float32), n)
               for n in 'ab']
    nodes = [helper.make_node('MatMul', ['x', 'a'], ['h']), helper.make_node('MatMul', ['h', 'b'], ['y'])]
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, width]) for n in 'xy']
    graph = helper.make_graph(nodes, 'wide', value[:1], value[1:], weights)
    folder.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)]),
              folder / 'model.onnx')


def copy_model(models, case, folder):
    if case.model == 'wide':
        make_wide(folder)
        return
    shutil.copytree(models / case.model, folder)
    from onnx import numpy_helper
    for data in sorted(folder.glob('set1/input_0.npy')):
        x = np.load(data)
        np.savez(folder / 'x.npz', x=x)
        (folder / 'x.pb').write_bytes(numpy_helper.from_array(x, 'x').SerializeToString())


def environment(build, more):
    return {**os.environ, 'LD_PRELOAD': str(build / 'tests' / 'fault.so'),
            'MALLOC_PERTURB_': '165',  # what is read before it is written, or after it went, is no 0
            'ASAN_OPTIONS': 'verify_asan_link_order=0:exitcode=99:allocator_may_return_null=1',
            'LSAN_OPTIONS': f'exitcode=98:print_suppressions=0:suppressions={LEAKS}',
            'UBSAN_OPTIONS': 'exitcode=97', **more}


def call(build, case, folder, faults):
    words = [str(build / case.program)]
    words += (['model.onnx'] if case.program == 'dmsc' and not case.words[0] in ('--dump', '--verify')
              else []) + case.words
    return subprocess.run(words, cwd=folder, env=environment(build, faults), timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors='backslashreplace', check=False)


def whole(path, good):
    """Is this output the whole new one? What holds times is only parsed."""
    data = path.read_bytes()
    if path.suffix == '.json':
        try:
            return isinstance(json.loads(data), (dict, list))
        except ValueError:
            return False
    return data == good[path.name]


def listing(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*'))


def lay_out(case, folder, is_old):
    for name in case.writes:
        if is_old:
            (folder / name).write_bytes(OLD)
        else:
            (folder / name).unlink(missing_ok=True)


def complaint(case, kind, done, folder, before, good):
    """What is wrong with an outcome; None when all is well."""
    codes, words = KINDS[kind]
    if done.returncode not in (0, *codes):
        return f'exit code {done.returncode}'
    lines = done.stderr.splitlines()
    if done.returncode == 0 and any('error' in line for line in lines):
        return 'passed, but complains'
    if done.returncode != 0:
        more = set(done.stdout.splitlines()) - case.said
        if more and case.program == 'dmsc':  # a library does: what dmsc says of times comes last
            return f'prints {sorted(more)[:3]}'
        if len(lines) != 1 or not lines[0].startswith(f'{case.program}: error: '):
            return f'{len(lines)} lines of message'
        if not lines[0].isprintable() or not any(word in lines[0] for word in words):
            return 'the message does not name what failed'
    left = listing(folder)
    new = [p for p in left if p not in before and p not in case.writes]
    gone = [p for p in before if p not in left]
    if new or gone:
        return f'left behind: {new}, gone: {gone}'
    for name in case.writes:
        path = folder / name
        if not path.exists():
            if done.returncode == 0 or name in before:
                return f'{name} is gone'
        elif path.read_bytes() == OLD:
            if done.returncode == 0:
                return f'{name} was not written'
        elif not whole(path, good):
            return f'{name} is neither the old file nor the new one'
    new = [path.exists() and path.read_bytes() != OLD for path in map(folder.joinpath, case.writes)]
    if case.is_set and any(new) and not all(new):
        return f'of {case.writes} only some are new: {new}'
    return None


def chosen(n, first, places):
    """Which of n calls fail: the first (None: all), the last and some between; those of `places`."""
    last = None if first is None else first // 2
    if first is None or n <= first + last:
        return list(range(1, n + 1))
    picked, at = set(range(1, first + 1)) | set(range(n - last + 1, n + 1)), float(first)
    while at < n:
        picked.add(int(at))
        at = min(at * GROWTH, at + n / (2 * first))
    return sorted(picked | places)


def counted(path):
    """The calls of each kind that a run made."""
    return {kind: int(n) for kind, n in map(str.split, path.read_text().splitlines())}


class Runner:
    def __init__(self, build, models, options, scratch):
        self.build, self.models, self.jobs = build, models, options.jobs
        self.first, self.is_by_place = None if options.all else options.first, options.places
        self.scratch, self.passed, self.failed, self.codes = scratch, 0, 0, {}

    def fail(self, text):
        self.failed += 1
        print(f'FAILED {text}', flush=True)

    def prepare(self, case):
        """A folder per job; the outputs of a run without faults, and its calls of each kind."""
        folders = []
        for job in range(self.jobs):
            folder = self.scratch / f'{case.name}.{job}'
            copy_model(self.models, case, folder)
            if case.plan is not None:
                subprocess.run([self.build / 'dmsc', 'model.onnx', '-o', 'in.plan', '-q',
                                *case.plan.split()], cwd=folder, check=True)
            folders.append(folder)
        counts, listed = self.scratch / 'counts', self.scratch / 'places'
        done = call(self.build, case, folders[0], {'FAULT_COUNTS': str(counts)})
        if done.returncode != 0:
            raise RuntimeError(f'exit code {done.returncode} without faults: {done.stderr}')
        case.said = set(done.stdout.splitlines())
        good = {name: (folders[0] / name).read_bytes() for name in case.writes}
        found = counted(counts)
        places = {kind: set() for kind in found}
        if self.is_by_place:
            call(self.build, case, folders[0], {'FAULT_PLACES': str(listed)})
            for kind, n in (line.split() for line in listed.read_text().splitlines()):
                places[kind].add(int(n))
        return folders, good, {kind: (n, places[kind]) for kind, n in found.items()}

    def try_one(self, case, kind, faults, free, good):
        """Runs with one fault; (what is wrong or None, exit code)."""
        folder = free.get()
        try:
            lay_out(case, folder, int(faults['FAULT_AT']) % 2 == 0)
            before = listing(folder)
            try:
                done = call(self.build, case, folder, faults)
            except subprocess.TimeoutExpired:
                return f'still running after {LIMIT_S} s', None
            wrong = complaint(case, kind, done, folder, before, good)
            for path in set(listing(folder)) - set(before) - set(case.writes):
                (folder / path).unlink()
            return wrong and f'{wrong}\n      {done.stderr.strip()[-3000:]}', done.returncode
        finally:
            free.put(folder)

    def jobs_of(self, case, kind, counts, free, good, pool):
        """(faults, (what is wrong, exit code)) of every run of a kind."""
        jobs = []
        for asked in ASKED.get(kind, [{'FAULT_KIND': kind}]):
            n_calls, places = counts[asked['FAULT_KIND']]
            calls = chosen(n_calls, self.first, places)
            most = -(-MOST[kind] * (self.first or 40) // 10) if kind in MOST else len(calls) or 1
            for n in calls[::max(1, -(-len(calls) // most))]:
                faults = {**asked, 'FAULT_AT': str(n)}
                jobs.append((faults, pool.submit(self.try_one, case, kind, faults, free, good)))
        yield from ((faults, job.result()) for faults, job in jobs)
        if self.first is not None or kind in MOST:
            return
        # threads do not make the same number of calls each time
        for asked in ASKED.get(kind, [{'FAULT_KIND': kind}]):
            n_calls, listed = counts[asked['FAULT_KIND']][0], self.scratch / 'reached'
            for n in range(n_calls + 1, n_calls + MOST_MORE):
                faults = {**asked, 'FAULT_AT': str(n), 'FAULT_COUNTS': str(listed)}
                yield faults, self.try_one(case, kind, faults, free, good)
                if counted(listed)[asked['FAULT_KIND']] < n:
                    break
            else:
                self.fail(f'{case.name}/{kind}: never comes to an end: {n}')

    def run_kind(self, case, kind, counts, free, good, pool):
        codes = {}
        for faults, (wrong, code) in self.jobs_of(case, kind, counts, free, good, pool):
            codes[code] = codes.get(code, 0) + 1
            if wrong is None:
                self.passed += 1
            else:
                text = ' '.join(f'{k}={v}' for k, v in faults.items())
                self.fail(f'{case.name}/{kind}: {text}: {wrong}')
        if codes:
            n_places = sum(len(counts[a['FAULT_KIND']][1]) for a in ASKED.get(kind, [{'FAULT_KIND': kind}]))
            print(f'{case.name}/{kind}: ' + (f'{n_places} places, ' if n_places else '') + ', '.join(
                f'{n} x exit {code}' for code, n in sorted(codes.items(), key=str)), flush=True)

    def run_case(self, case, kinds, pool):
        try:
            folders, good, counts = self.prepare(case)
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            self.fail(f'{case.name}: {e}')
            return
        free = queue.SimpleQueue()
        for folder in folders:
            free.put(folder)
        for kind in kinds:
            self.run_kind(case, kind, counts, free, good, pool)
        for folder in folders:
            shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('models', type=pathlib.Path)
    parser.add_argument('word', nargs='?', default='')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--places', action='store_true')
    parser.add_argument('--first', type=int, default=10)
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    options = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as scratch, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runner = Runner(options.build.resolve(), options.models.resolve(), options,
                        pathlib.Path(scratch))
        for case in CASES:
            kinds = [kind for kind in KINDS if options.word in f'{case.name}/{kind}']
            if kinds:
                runner.run_case(case, kinds, pool)
    print(f'{runner.passed} passed, {runner.failed} failed')
    sys.exit(runner.failed > 0)


if __name__ == '__main__':
    main()
