"""usage: run_cuda.py BUILD MODELS [--only NAME,...] [--quick] [--seeds N] [--real]

Every model of a folder, planned for a card (profile h100-pcie) at 100 %, 25 % and at its floor, runs on
the CUDA device: on the fake of tests/cuda, whose streams each seed orders otherwise, by waits on
values and on events, with and without locked memory. Every digest is the CPU device's, and at every
budget the calls are the same: kernels, types, dims, pitches, workspaces, and what addresses are
multiples of, by which a library chooses its algorithms. Steps timed on the fake's clock refine a plan.
--real takes the card and the libdms_cuda of BUILD instead; there the outputs are compared with the
references.
One line per model; the last line adds up."""
import argparse
import os
import pathlib
import sys
import tempfile

from programs import (Failure, Programs, compare, dim_words, floor_named, input_words, need,
                      sets_of)

CARD = ('--profile', 'h100-pcie', '--host-mem', '8GiB')
BUDGETS = ('100%', '25%', 'floor')
QUICK = ('decoder_cache_opset18', 'external_opset9', 'random_03')


class Case:
    """One data set of one model, and the digest that the CPU device gives."""

    def __init__(self, programs, model, folder):
        self.p, self.model, self.folder = programs, model, folder
        self.dims = dim_words(model, folder)
        self.words = ('--model-dir', model.parent, *input_words(model, folder))
        plan = self.p.scratch / 'cpu.plan'
        self.p.compile(model, plan, *self.dims)
        self.digest, self.calls = self.p.run(plan, *self.words)['digest'], None

    def compile(self, budget):
        plan = self.p.scratch / 'cuda.plan'
        done, report = self.p.compile(self.model, plan, '--device-mem', budget, *CARD, *self.dims,
                                      expect=(0, 5))
        if report is None:
            self.p.compile(self.model, plan, '--device-mem', floor_named(done.stderr), *CARD,
                           *self.dims)
        return plan

    def run(self, plan, card, *words):
        os.environ['FAKE_CUDA'] = card
        return self.p.run(plan, '--device', 'cuda', *self.words, *words)

    def calls_of(self, plan):
        """What a library is asked by, call by call of one turn, in no order."""
        lines = self.p.scratch / 'calls'
        os.environ['FAKE_CUDA_CALLS'] = str(lines)
        self.run(plan, 'calm')
        del os.environ['FAKE_CUDA_CALLS']
        return sorted(lines.read_text().splitlines())

    def on_fake(self, budget, seeds):
        plan = self.compile(budget)
        calls = self.calls_of(plan)
        need(calls, 'no call at all')
        self.calls = self.calls or calls
        other = set(calls) ^ set(self.calls)
        need(calls == self.calls, f'other calls than at {BUDGETS[0]}: {sorted(other)[:4]}')
        cards = [f'seed={k}' for k in range(seeds)]
        cards += ['seed=5,no_values', 'seed=6,pin_limit=9000000', 'seed=7,no_values,pin_limit=9000000']
        for k, card in enumerate(cards if seeds > 1 else cards[:1]):
            words = [(), ('--iterations', 3), ('--poison',)][k % 3]
            told = self.run(plan, card, *words)
            digest, paths = told['digest'], told['card']['paths']
            waits = 'events' if 'no_values' in card else 'values'
            need(f"'fake card', streams wait for {waits}" in paths, f'paths: {paths}')
            need(digest == self.digest, f'FAKE_CUDA={card} {" ".join(map(str, words))}: other bits')

    def on_card(self, budget):
        plan, out = self.compile(budget), self.p.scratch / 'out'
        self.digest = None
        for words in (('--output', out), ('--iterations', 3), ('--poison',)):
            digest = self.run(plan, '', *words)['digest']
            self.digest = self.digest or digest
            need(digest == self.digest, f'{words[0]}: other bits')
        compare(out, self.folder)


REFUSALS = {'no_driver': 'no NVIDIA driver', 'old_driver': 'driver 580 or newer', 'no_card': 'no NVIDIA card',
            'old_card': 'compute capability 7.5', 'free=1000': '--device-mem',
            'fail_call=2,code=46': 'cudaError', 'fail_entry=40,code=700': 'cudaErrorIllegalAddress',
            'fail_call=1600,code=719,lost': 'cudaErrorLaunchFailure'}


BEFORE_THE_PLAN = ('no_driver', 'old_driver', 'no_card', 'old_card', 'fail_call=2,code=46')


def refusals(case):
    """Exit 8 and one sentence for each card that cannot, be the plan none where the card is not there;
    (passed, reasons of failures)."""
    plan, reasons = case.compile('floor'), []
    broken = case.p.scratch / 'broken.plan'
    broken.write_bytes(plan.read_bytes()[:-1])
    for card, says in REFUSALS.items():
        os.environ['FAKE_CUDA'] = card
        try:
            done = case.p.dmsrun(plan, '--device', 'cuda', '--iterations', 9, *case.words, expect=8)
            need(says in done.stderr and done.stderr.count('\n') == 1, f'says {done.stderr!r}')
            done = case.p.dmsrun(broken, '--device', 'cuda', expect=8 if card in BEFORE_THE_PLAN else 6)
            need((says in done.stderr) == (card in BEFORE_THE_PLAN), f'of no plan says {done.stderr!r}')
        except Failure as e:
            reasons.append(f'FAKE_CUDA={card}: {e}')
    return len(REFUSALS) - len(reasons), reasons


def refined(case):
    """Steps of a run on a card with a clock, whose launch takes 3,000 ns, become those of a plan;
    (passed, reasons of failures)."""
    plan, report = case.compile('100%'), case.p.scratch / 'steps.json'
    try:
        for warmup in (0, 3, 40):
            run = case.run(plan, 'clock', '--warmup', warmup, '--iterations', 5)
            need(min(run['steps_ns']) >= 3000, f'--warmup {warmup}: steps without a time')
            report.write_bytes((case.p.scratch / 'dmsrun.json').read_bytes())
            _, better = case.p.compile(case.model, plan, *CARD, *case.dims, '--measured', report,
                                       '--device-mem', '100%')
            need(better['compute_ns'] == sum(run['steps_ns']), 'the plan counts otherwise')
    except Failure as e:
        return 0, [f'--measured: {e}']
    return 1, []


def run_model(programs, folder, seeds, is_real):
    """(passed, reasons of failures) of one model."""
    passed, reasons = 0, []
    try:
        case = Case(programs, folder / 'model.onnx', sets_of(folder)[0])
    except Failure as e:
        return 0, [str(e)]
    for budget in BUDGETS:
        try:
            case.on_card(budget) if is_real else case.on_fake(budget, seeds)
            passed += 1
        except Failure as e:
            reasons.append(f'{budget}: {e}')
    if folder.name == QUICK[0] and not is_real:
        for more, failures in (refusals(case), refined(case)):
            passed, reasons = passed + more, reasons + failures
    return passed, reasons


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build')
    parser.add_argument('models', type=pathlib.Path)
    parser.add_argument('--only', type=lambda s: s.split(','))
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument('--quick', action='store_true', help='three models, one seed')
    parser.add_argument('--real', action='store_true')
    args = parser.parse_args()
    if not args.real:
        os.environ['LD_LIBRARY_PATH'] = str(pathlib.Path(args.build) / 'tests' / 'cuda')
    folders = sorted(p.parent for p in args.models.glob('*/model.onnx'))
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            if args.only and folder.name not in args.only or args.quick and folder.name not in QUICK:
                continue
            seeds = 1 if args.quick else args.seeds
            n, reasons = run_model(Programs(args.build, scratch), folder, seeds, args.real)
            print(f'{folder.name:24} {n:3} passed, {len(reasons)} failed', flush=True)
            for reason in reasons:
                print('    ' + reason, flush=True)
            passed, failed = passed + n, failed + len(reasons)
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed > 0 or passed == 0)


if __name__ == '__main__':
    main()
