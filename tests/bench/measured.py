"""usage: measured.py BUILD [FOLDER...] [--pairs 25] [--threads 1] [--seconds 0.15]
    [--device-mem 25%,50%] [--profile FILE] [--only NAME,...]

Does --measured make plans slower? A profile is calibrated (--profile takes one that is there). Every
model is run with everything resident, then planned twice at each budget (the floor where that is
below it): by the profile alone, and with the step times of that run. Plans that have the same
commands at the same places cannot differ and are not run. Others take turns, who goes first
changing from pair to pair; printed are the median of time with / time without over the pairs, the
95 % interval of the median by the sign test, and how many pairs were slower: many short pairs, for
what a machine's speed does in minutes then falls on both halves of each. Beside it stands what the
times of the run predict of both plans, by which no plan may be slower. Models as in predict.py.

The verdict and the exit code: no prediction above 1, no interval above 1 + 1 %, and neither does
the upper end of the 95 % interval of the median of all pairs. Less than 4 minutes on a machine with nothing else to do."""
import argparse
import json
import math
import pathlib
import re
import sys
import tempfile
from statistics import median

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / 'e2e'))
from predict import AMPLE, all_folders, calibrate, dims_of  # noqa: E402
from programs import Programs  # noqa: E402

SLACK = 1.01
RESIDENT_S = 0.6  # the run whose times are taken


def interval(values, confidence=0.95):
    """Order statistics between which the median of the population lies: the sign test turned
    round. Fewer than six values cannot tell: all of them."""
    ordered, n = sorted(values), len(values)
    tail, k = 0.0, 0
    while k < n and tail + math.comb(n, k) / 2 ** n <= (1 - confidence) / 2:
        tail += math.comb(n, k) / 2 ** n
        k += 1
    return (ordered[k - 1], ordered[n - k]) if k > 0 else (ordered[0], ordered[-1])


class Bench:
    """One model: plans with and without, and their runs in turns."""

    def __init__(self, programs, name, folder, args):
        self.programs, self.name, self.folder, self.args = programs, name, folder, args
        self.dims = dims_of(name, folder)
        self.report = programs.scratch / 'resident.json'

    def plan(self, file, budget, *words):
        """Plans, at the floor where the budget is below it; (report, whether it was)."""
        for asked in (budget, 'floor'):
            done, report = self.programs.compile(
                self.folder / 'model.onnx', self.programs.scratch / file, *self.dims,
                '--device-mem', asked, '--host-mem', AMPLE, '--profile', self.args.profile, *words,
                expect=(0, 5))
            if done.returncode == 0:
                return report, asked
        sys.exit(f'{self.name}: no plan at the floor')

    def what(self, file):
        """The plan without the times in it."""
        text = self.programs.dmsc('--dump', self.programs.scratch / file).stdout
        return re.sub(r'(?m)^(profile|predicted) .*$|\b\d+ ns\b', '', text)

    def time(self, file, period_ns, seconds):
        turns = max(3, min(100, int(seconds * 1e9 / period_ns)))
        return self.programs.run(self.programs.scratch / file, '--model-dir', self.folder,
                                 '--threads', self.args.threads, '--warmup', 1, '--iterations',
                                 turns)

    def begin(self):
        first, _ = self.plan('plain.plan', AMPLE)
        self.report.write_text(json.dumps(self.time('plain.plan', first['period_ns'], RESIDENT_S)))

    def pairs(self, period_ns):
        ratios = []
        for pair in range(self.args.pairs):
            files = ('plain.plan', 'refined.plan')
            runs = {file: self.time(file, period_ns, self.args.seconds)
                    for file in files[::-1 if pair % 2 else 1]}
            if len({run['digest'] for run in runs.values()}) != 1:
                sys.exit(f'{self.name}: THE DIGESTS DIFFER')
            ratios.append(runs['refined.plan']['median_ns'] / runs['plain.plan']['median_ns'])
        return ratios

    def at(self, budget):
        """Ratios of the pairs at one budget; none where both plans are the same."""
        before, asked = self.plan('plain.plan', budget)
        after, _ = self.plan('refined.plan', asked, '--measured', self.report)
        by_run = after['period_ns'] / after['candidates']['predicted']
        head = f'{self.name:17} {asked:>6} {by_run:8.4f}'
        if by_run > 1:
            sys.exit(f'{head}: slower by the times of the run')
        if self.what('plain.plan') == self.what('refined.plan'):
            print(f'{head}  the same plan', flush=True)
            return []
        ratios = self.pairs(before['period_ns'])
        low, high = interval(ratios)
        print(f'{head} {median(ratios):7.3f}  {low:.3f} to {high:.3f}  slower in '
              f'{sum(r > 1 for r in ratios)} of {len(ratios)} pairs'
              f'{"  SLOWER" if low > SLACK else ""}', flush=True)
        return ratios


def verdict(of_plans):
    """Whether nothing is slower: prints why."""
    pairs = [ratio for ratios in of_plans for ratio in ratios]
    if not pairs:
        print(f'{len(of_plans)} plans, all of them the same: PASSED')
        return True
    low, high = interval(pairs)
    slower = sum(interval(ratios)[0] > SLACK for ratios in of_plans if ratios)
    passed = slower == 0 and high <= SLACK
    print(f'{len(of_plans)} plans, {sum(not r for r in of_plans)} the same; {len(pairs)} pairs of '
          f'the others: median {median(pairs):.3f}, {low:.3f} to {high:.3f}; {slower} slower: '
          f'{"PASSED" if passed else "FAILED"}')
    return passed


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('folders', nargs='*', type=pathlib.Path)
    parser.add_argument('--pairs', type=int, default=25)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=0.15)
    parser.add_argument('--device-mem', default='25%,50%')
    parser.add_argument('--profile')
    parser.add_argument('--only', default='light_resnet50,cnn_wide,encoder_wide,encoder_deep,'
                                          'decoder_wide,mlp_wide')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.build) as scratch:
        programs, of_plans = Programs(args.build, scratch), []
        if args.profile is None:
            args.profile = pathlib.Path(scratch) / 'here.json'
            calibrate(programs, args, args.profile)
        print(f'{"model":17} {"budget":>6} {"by it":>8} with / without --measured, {args.pairs} '
              'pairs')
        for name, folder in all_folders(args):
            bench = Bench(programs, name, folder, args)
            bench.begin()
            of_plans += [bench.at(budget) for budget in args.device_mem.split(',')]
        passed = verdict(of_plans)
    sys.exit(not passed)


if __name__ == '__main__':
    main()
