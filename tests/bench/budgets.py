"""usage: budgets.py BUILD MODEL [--budgets 40] [--seed 1] [--most 0.5] [--profile cpu]
    [--dim NAME=N]... [--dims-from DIR]

Separate compiles of one model at device budgets drawn between its floor and a share of its weights
(--most): does a larger budget ever give a longer period? Prints a row for each budget, in rising
order; a period more than 0.5 % above that of a smaller budget is marked, and is the exit code. The
times are processor seconds of the whole compile."""
import argparse
import json
import pathlib
import random
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from graphs import user_seconds  # noqa: E402

SLACK = 1.005


def compile_at(args, budget, report):
    words = [word for dim in args.dim for word in ('--dim', dim)]
    if args.dims_from is not None:
        words += ['--dims-from', args.dims_from]
    done, seconds = user_seconds([args.build / 'dmsc', args.model, '-q', '--profile', args.profile,
                                  '--json', report, '--device-mem', budget, *words])
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(report.read_text()), seconds


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('model', type=pathlib.Path)
    parser.add_argument('--budgets', type=int, default=40)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--most', type=float, default=0.5)
    parser.add_argument('--profile', default='cpu')
    parser.add_argument('--dim', action='append', default=[])
    parser.add_argument('--dims-from', type=pathlib.Path)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    ratios, times, rises, least = [], [], 0, None
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / 'a.json'
        first, _ = compile_at(args, 'floor', report)
        floor = first['floor_bytes']
        most = max(first['weights_bytes'] * args.most, 1.1 * floor)
        drawn = sorted(int(floor * (most / floor) ** draw.random()) for _ in range(args.budgets))
        print('   budget bytes  of weights   period us  / bound       s')
        for budget in drawn:
            figures, seconds = compile_at(args, budget, report)
            period = figures['period_ns']
            rise = period / least if least is not None else 1
            least = period if least is None or period < least else least
            rises += rise > SLACK
            ratios.append(period / figures['bound_ns'])
            times.append(seconds)
            print(f'{budget:15} {budget / first["weights_bytes"]:11.3f} {period / 1e3:11.1f} '
                  f'{ratios[-1]:8.4f} {seconds:7.2f}'
                  f'{f"  RISES by {rise - 1:.4f}" if rise > SLACK else ""}', flush=True)
    print(f'{first["steps"]} steps: {rises} of {len(drawn)} rise by more than 0.5 %; means: period / '
          f'bound {sum(ratios) / len(ratios):.4f}, {sum(times) / len(times):.2f} s')
    return 1 if rises else 0


if __name__ == '__main__':
    sys.exit(main())
