"""usage: memory.py BUILD [FOLDER] [--pairs 5] [--iterations 3]

A decoder with 608 MB of weights under a device budget of 12.5 %, beside the same with everything
resident, one thread: peak resident memory against its limit, and the time in pairs. FOLDER holds
model.onnx and set0/ or ref0/; without it the model is made in build/large."""
import argparse
import pathlib
import subprocess
import sys
import tempfile
from statistics import median

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'e2e'))
from programs import Programs, dim_words, input_words, io_bytes  # noqa: E402

MIB = 1 << 20


def model_folder(args):
    if args.folder:
        return args.folder
    root = pathlib.Path(args.build) / 'large'
    subprocess.run([sys.executable, HERE.parent / 'models' / 'make_models.py', root, '--large'],
                   check=True)
    return root / 'decoder_608mb'


def report_line(name, run, limit):
    print(f'{name:9} {run["device_arena_bytes"] / MIB:9.1f} {run["host_arena_bytes"] / MIB:9.1f} '
          f'{run["peak_rss_bytes"] / MIB:9.1f} {limit / MIB:9.1f}  '
          f'{"within" if run["peak_rss_bytes"] <= limit else "ABOVE"}')


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build')
    parser.add_argument('folder', nargs='?', type=pathlib.Path)
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--iterations', type=int, default=3)
    args = parser.parse_args()
    folder = model_folder(args)
    model, data = folder / 'model.onnx', next(folder.glob('*0/'))
    with tempfile.TemporaryDirectory() as scratch:
        programs = Programs(args.build, scratch)
        plans, runs = {}, {}
        for name, budget in (('12.5 %', '12.5%'), ('resident', '16GiB')):
            plans[name] = programs.scratch / f'{budget}.plan'
            _, report = programs.compile(model, plans[name], '--device-mem', budget,
                                         '--host-mem', '8GiB', *dim_words(model, data))
            print(f'{name}: predicted {report["period_ns"] / 1e6:.1f} ms, bound '
                  f'{report["bound_ns"] / 1e6:.1f} ms, compiled in {report["compile_ms"]} ms')
        for _ in range(args.pairs):
            for name, plan in plans.items():
                run = programs.run(plan, '--model-dir', folder, *input_words(model, data),
                                   '--threads', 1, '--warmup', 1, '--iterations', args.iterations)
                runs.setdefault(name, []).append(run)
    print(f'{"MiB":9} {"device":>9} {"host":>9} {"peak":>9} {"limit":>9}')
    for name, several in runs.items():
        worst = max(several, key=lambda r: r['peak_rss_bytes'])
        limit = (worst['device_arena_bytes'] + worst['host_arena_bytes'] + 2 * io_bytes(data)
                 + 52 * MIB)
        report_line(name, worst, limit)
    ours, full = ([r['median_ns'] for r in runs[name]] for name in plans)
    print(f'time: {median(ours) / 1e6:.1f} ms, resident {median(full) / 1e6:.1f} ms, median of '
          f'{args.pairs} pairs {median(a / b for a, b in zip(ours, full)):.3f}')
    same = len({r['digest'] for several in runs.values() for r in several}) == 1
    print('same bits' if same else 'THE DIGESTS DIFFER')
    sys.exit(not same)


if __name__ == '__main__':
    main()
