"""usage: peers.py BUILD MODELS... [--threads 1,2] [--pairs 5] [--seconds 2]

Prints a table: time of one inference of dmsrun with everything resident over that of ONNX Runtime's
CPU provider with all optimisations. Both run in turns, pair after pair, in processes of their own;
a cell holds the median of the pairs' ratios and the two medians in ms. Needs a quiet machine."""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time
from statistics import median

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'e2e'))
from programs import Programs, dim_words, input_words, inputs_of, sets_of  # noqa: E402


def iterations_for(seconds, one_ns):
    return max(3, min(200, round(seconds * 1e9 / max(one_ns, 1))))


def peer(model, folder, threads, iterations):
    """Runs ONNX Runtime in this process; prints the median time of a run in ns."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    feed = {name: np.load(f'{folder}/input_{i}.npy')
            for i, (name, _) in enumerate(inputs_of(model))}
    used = {i.name for i in session.get_inputs()}
    feed = {name: value for name, value in feed.items() if name in used}
    times = []
    for _ in range(2 + iterations):
        start = time.perf_counter_ns()
        session.run(None, feed)
        times.append(time.perf_counter_ns() - start)
    print(round(median(times[2:])))


def peer_ns(model, folder, threads, iterations):
    words = [sys.executable, __file__, '--peer', model, folder, threads, iterations]
    return int(subprocess.run([str(w) for w in words], capture_output=True, text=True,
                              check=True).stdout)


def cell(programs, model, folder, threads, args):
    """(ratio, our ms, their ms), each a median over the pairs."""
    plan = programs.scratch / 'resident.plan'
    programs.compile(model, plan, '--device-mem', '16GiB', '--host-mem', '8GiB',
                     *dim_words(model, folder))
    inputs = input_words(model, folder)

    def ours(n):
        return programs.run(plan, '--model-dir', model.parent, *inputs, '--threads', threads,
                            '--warmup', 2, '--iterations', n)['median_ns']

    n = iterations_for(args.seconds, ours(1))
    pairs = [(ours(n), peer_ns(model, folder, threads, n)) for _ in range(args.pairs)]
    return (median(a / b for a, b in pairs), median(a for a, _ in pairs) / 1e6,
            median(b for _, b in pairs) / 1e6)


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
    args = parser.parse_args()
    counts = [int(t) for t in args.threads.split(',')]
    heads = (f'{f"x ORT, {t} thr.":>16}{"dmsrun ms":>11}{"ORT ms":>9}' for t in counts)
    print(f'{"model":22}' + ''.join(heads))
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(args.build, scratch)
        for folder in args.models:
            cells = (cell(programs, folder / 'model.onnx', sets_of(folder)[0], t, args)
                     for t in counts)
            print(f'{folder.name:22}' + ''.join(f'{r:16.2f}{a:11.2f}{b:9.2f}' for r, a, b in cells),
                  flush=True)


if __name__ == '__main__':
    main()
