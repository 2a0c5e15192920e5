"""usage: peers.py BUILD MODELS... [--threads 1,2] [--pairs 5] [--seconds 2] [--cpu]

Prints a table: dmsrun with everything resident beside ONNX Runtime's CPU provider with all
optimisations. Both run in turns, pair after pair, in processes of their own; a ratio is the median
over the pairs, a time the median of the medians. MFLOP: work of one inference (a multiply-add is
two). MiB: peak resident memory of dmsrun, of ONNX Runtime's process, and of that less what Python
held before it made the session. Last lines: the goals, over models of at least 20 MFLOP and over
the smaller ones. Models that cannot be compiled or run are listed with the reason. MODELS are
folders with model.onnx and set0/. Needs a quiet machine, or --cpu: processor time instead of wall
time, which says nothing about more than one thread."""
import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from math import exp, log
from statistics import median

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'e2e'))
from programs import Failure, Programs, dim_words, input_words, inputs_of, sets_of  # noqa: E402

MIB = 1 << 20
LARGE_MFLOP = 20

# One model at one number of threads; times in ms, memory in bytes.
Cell = namedtuple('Cell', 'ratio ours theirs our_bytes their_bytes their_net_bytes')


def iterations_for(seconds, one_ns):
    return max(3, min(200, round(seconds * 1e9 / max(one_ns, 1))))


def resident_bytes(field):
    """VmRSS or VmHWM of this process."""
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def peer(model, folder, threads, iterations):
    """Runs ONNX Runtime in this process; prints the median time of a run in ns, the peak of
    resident memory and what was resident before the session was made."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    names = [name for name, _ in inputs_of(model)]
    before = resident_bytes('VmRSS')
    session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    feed = {name: np.load(f'{folder}/input_{i}.npy') for i, name in enumerate(names)}
    used = {i.name for i in session.get_inputs()}
    feed = {name: value for name, value in feed.items() if name in used}
    times = []
    session.run(None, feed)
    session.run(None, feed)
    busy = time.process_time_ns()
    for _ in range(iterations):
        start = time.perf_counter_ns()
        session.run(None, feed)
        times.append(time.perf_counter_ns() - start)
    busy = (time.process_time_ns() - busy) / iterations
    print(round(median(times)), resident_bytes('VmHWM'), before, round(busy))


def run_peer(model, folder, threads, iterations):
    words = [sys.executable, __file__, '--peer', model, folder, threads, iterations]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure('ONNX Runtime: ' + (done.stderr.strip().splitlines() or ['?'])[-1])
    return [int(word) for word in done.stdout.split()]


def children_ns():
    """Processor time of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((used.ru_utime + used.ru_stime) * 1e9)


def compile_resident(programs, model, folder):
    """(plan, MFLOP of one inference)."""
    plan = programs.scratch / 'resident.plan'
    _, report = programs.compile(model, plan, '--device-mem', '16GiB', '--host-mem', '8GiB',
                                 *dim_words(model, folder))
    return plan, report['flops'] / 1e6


def cell(programs, model, plan, folder, threads, args, field='median_ns'):
    """`field` of dmsrun's report against the time of a run of ONNX Runtime."""
    inputs = input_words(model, folder)

    def ours(n):
        return programs.run(plan, '--model-dir', model.parent, *inputs, '--threads', threads,
                            '--warmup', 2, '--iterations', n)

    def busy(n):
        """`ours` with the processor time of an inference; starting and stopping cancel out."""
        before = children_ns()
        ours(1)
        between = children_ns()
        report = ours(n)
        return {**report, field: max(1, (children_ns() - 2 * between + before) / (n - 1))}

    n = iterations_for(args.seconds, ours(1)['median_ns'])
    is_cpu = getattr(args, 'cpu', False)
    pairs = [((busy if is_cpu else ours)(n), run_peer(model, folder, threads, n))
             for _ in range(args.pairs)]
    at = 3 if is_cpu else 0
    return Cell(median(a[field] / b[at] for a, b in pairs),
                median(a[field] for a, _ in pairs) / 1e6, median(b[at] for _, b in pairs) / 1e6,
                max(a['peak_rss_bytes'] for a, _ in pairs), max(b[1] for _, b in pairs),
                max(b[1] - b[2] for _, b in pairs))


def print_head(counts):
    heads = (f'{f"x ORT, {t} thr.":>16}{"dmsrun ms":>11}{"ORT ms":>9}' for t in counts)
    print(f'{"model":26}{"MFLOP":>8}' + ''.join(heads) +
          f'{"dmsrun MiB":>12}{"ORT MiB":>9}{"net MiB":>9}')


def print_row(name, mflop, cells):
    times = ''.join(f'{c.ratio:16.2f}{c.ours:11.3f}{c.theirs:9.3f}' for c in cells)
    memory = [max(getattr(c, field) for c in cells) / MIB
              for field in ('our_bytes', 'their_bytes', 'their_net_bytes')]
    print(f'{name:26}{mflop:8.1f}{times}{memory[0]:12.1f}{memory[1]:9.1f}{memory[2]:9.1f}',
          flush=True)


def print_goals(rows, counts):
    """rows: (name, MFLOP, cells)."""
    large = [row for row in rows if row[1] >= LARGE_MFLOP]
    small = [row for row in rows if row[1] < LARGE_MFLOP]
    for k, threads in enumerate(counts):
        if large:
            mean = exp(sum(log(cells[k].ratio) for _, _, cells in large) / len(large))
            name, _, cells = max(large, key=lambda row: row[2][k].ratio)
            print(f'{threads} thread(s), {len(large)} models of {LARGE_MFLOP} MFLOP and more: '
                  f'geometric mean {mean:.2f}, largest {cells[k].ratio:.2f} ({name})')
        if small:
            name, _, cells = max(small, key=lambda row: row[2][k].ours - row[2][k].theirs)
            print(f'{threads} thread(s), {len(small)} smaller models: at most '
                  f'{cells[k].ours - cells[k].theirs:.3f} ms behind ({name})')
    above = [name for name, _, cells in large
             if any(c.our_bytes > c.their_bytes for c in cells)]
    print('peak resident memory above that of ONNX Runtime: ' + (', '.join(above) or 'none'))


def main():
    if sys.argv[1:2] == ['--peer']:
        peer(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build')
    parser.add_argument('models', nargs='+', type=pathlib.Path)
    parser.add_argument('--threads', default='1,2')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=2)
    parser.add_argument('--cpu', action='store_true')
    args = parser.parse_args()
    counts = [int(t) for t in args.threads.split(',')]
    rows, refused = [], []
    print_head(counts)
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(args.build, scratch)
        for folder in args.models:
            model = folder / 'model.onnx'
            try:
                data = sets_of(folder)[0]
                plan, mflop = compile_resident(programs, model, data)
                cells = [cell(programs, model, plan, data, t, args) for t in counts]
            except (Failure, IndexError, OSError) as failure:
                refused.append(f'{folder.name}: {str(failure).strip().splitlines()[-1].strip()}')
                continue
            rows.append((folder.name, mflop, cells))
            print_row(*rows[-1])
    print_goals(rows, counts)
    for line in refused:
        print('left out: ' + line)


if __name__ == '__main__':
    main()
