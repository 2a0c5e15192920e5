"""usage: run_models.py BUILD MODELS [--only NAME,...] [--quick]

Every model of a folder (model.onnx, set<N>/input_<i>.npy, set<N>/output_<i>.npy) at 100 %, 50 %,
25 % of its weights and at its floor. --quick takes the first set, 100 % and the floor alone. One
line per model; the last line adds up."""
import argparse
import filecmp
import pathlib
import shutil
import sys
import tempfile

from programs import (Failure, Programs, compare, dim_words, floor_named, input_words, io_bytes,
                      need, sets_of)

MIB = 1 << 20
EVERY_BUDGET = ('100%', '50%', '25%', 'floor')
HOST = ('--host-mem', '8GiB')


class Case:
    """One data set of one model; remembers the first digest, which all other runs must repeat."""

    def __init__(self, programs, model, folder):
        self.p, self.model, self.folder = programs, model, folder
        self.dims, self.digest = dim_words(model, folder), None
        self.inputs = input_words(model, folder)

    def run(self, plan, *words):
        return self.p.run(plan, '--model-dir', self.model.parent, *self.inputs, *words)

    def same_bits(self, report, what):
        self.digest = self.digest or report['digest']
        need(report['digest'] == self.digest, f'{what}: other bits than the first run')

    def compile(self, budget):
        """(plan, report) at this budget, or at the floor where the budget lies below it."""
        plan = self.p.scratch / 'a.plan'
        plan.unlink(missing_ok=True)
        words = (*self.dims, *HOST)
        done, report = self.p.compile(self.model, plan, '--device-mem', budget, *words,
                                      expect=(0, 5))
        if report is None:
            need(not plan.exists(), f'{budget}: refused, yet a plan is left')
            floor = floor_named(done.stderr)
            _, report = self.p.compile(self.model, plan, '--device-mem', floor, *words)
            need(report['floor_bytes'] == floor, f'{budget}: the floor named is not the floor')
        return plan, report

    def at(self, budget):
        """Everything that must hold at one budget."""
        plan, report = self.compile(budget)
        need(report['device_arena_bytes'] <= report['device_budget_bytes'], 'arena above budget')
        need(report['compute_ns'] <= report['bound_ns'] <= report['period_ns'],
             'compute <= bound <= period does not hold')
        need(all(report['period_ns'] <= ns for ns in report['candidates'].values()),
             'a simple rule is faster than the plan')
        out = self.p.scratch / 'out'
        shutil.rmtree(out, ignore_errors=True)
        run = self.run(plan, '--compare', self.folder, '--output', out, '--threads', 1)
        compare(out, self.folder)
        self.same_bits(run, 'one thread')
        limit = (run['device_arena_bytes'] + run['host_arena_bytes'] + 2 * io_bytes(self.folder)
                 + 52 * MIB)
        need(run['peak_rss_bytes'] <= limit,
             f'{run["peak_rss_bytes"]} bytes resident, {limit} allowed')
        self.same_bits(self.run(plan, '--threads', 2, '--iterations', 3), 'two threads, 3 turns')
        self.same_bits(self.run(plan, '--poison', '--threads', 2), '--poison')

    def floor_is_the_floor(self):
        """One byte less is refused, and the message names the same floor."""
        plan, report = self.compile('floor')
        floor = report['floor_bytes']
        if floor == 0:
            return
        plan.unlink()
        done, _ = self.p.compile(self.model, plan, '--device-mem', floor - 1, *self.dims, *HOST,
                                 expect=5)
        need(floor_named(done.stderr) == floor, 'below the floor another floor is named')
        need(not plan.exists(), 'refused, yet a plan is left')

    def same_plan_twice(self, budget):
        plans = [self.p.scratch / f'{n}' / 'twice.plan' for n in 'xy']
        for plan in plans:
            plan.parent.mkdir(exist_ok=True)
            self.p.compile(self.model, plan, '--device-mem', budget, *self.dims, *HOST)
        need(filecmp.cmp(*plans, shallow=False), f'{budget}: two compiles, two plans')


def tests_of(case, budgets):
    """[(name, function)] of one data set."""
    tests = [(f'at {b}', lambda b=b: case.at(b)) for b in budgets]
    tests.append(('floor', case.floor_is_the_floor))
    tests.append(('same plan twice', lambda: case.same_plan_twice('floor')))
    return tests


def run_model(programs, folder, quick):
    """(passed, reasons of failures) of one model."""
    passed, reasons = 0, []
    sets = sets_of(folder)
    for place in sets[:1] if quick else sets:
        case = Case(programs, folder / 'model.onnx', place)
        for name, test in tests_of(case, ('100%', 'floor') if quick else EVERY_BUDGET):
            try:
                test()
                passed += 1
            except Failure as e:
                reasons.append(f'{place.name} {name}: {e}')
            except Exception as e:  # a report without a key, a hang: a failure of this test alone
                reasons.append(f'{place.name} {name}: {type(e).__name__}: {e}')
    return passed, reasons


def print_reasons(reasons):
    """Each reason once, however many tests it failed."""
    seen = set()
    for reason in reasons:
        last = reason.splitlines()[-1]
        if last not in seen:
            print('    ' + reason, flush=True)
        seen.add(last)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build')
    parser.add_argument('models', type=pathlib.Path)
    parser.add_argument('--only', type=lambda s: s.split(','))
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    folders = sorted(p.parent for p in args.models.glob('*/model.onnx'))
    folders = [f for f in folders if not args.only or f.name in args.only]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            n, reasons = run_model(Programs(args.build, scratch), folder, args.quick)
            print(f'{folder.name:24} {n:3} passed, {len(reasons)} failed', flush=True)
            print_reasons(reasons)
            passed, failed = passed + n, failed + len(reasons)
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed > 0 or passed == 0)


if __name__ == '__main__':
    main()
