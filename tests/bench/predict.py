"""usage: predict.py BUILD [FOLDER...] [--threads 1] [--seconds 0.5]
    [--profile FILE] [--only NAME,...]

Predicted beside measured time: every model is planned and run with everything resident, at 100 %,
25 % and the floor. (a) is a calibrated profile alone; (b) the same with the step times of the
resident run, dmsc --measured. Before each model the machine is calibrated again (--profile FILE:
one profile for all). Every plan is run twice, and a third time where the two differ by a tenth or
one of them was uneven; the fastest counts: what disturbs a run can only make it longer.

Models are looked up by name in the FOLDERs and BUILD/models; those of many weights are made in
BUILD/wide, and a decoder with 608 MB of them in BUILD/large unless a FOLDER is one of that size
(model.onnx beside ref0/). The verdict and the exit code: at least five models of more than 20 ms
and the large one within 15 % at all three budgets, by (a), for which nobody ran the model before.
Takes about 8 minutes on a machine with nothing else to do."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / 'e2e'))
from memory import model_folder  # noqa: E402
from programs import Programs, floor_named  # noqa: E402

AMPLE = '64GiB'
BUDGETS = ('100%', '25%', 'floor')
WITHIN, STEADY, MOST = 0.15, 1.1, 3
LONG_NS, ENOUGH = 20e6, 5
LARGE = 'decoder_608mb'

# Dims that make a turn take more than 20 ms on one core; a folder of inputs gives them by example.
# Those that --only names alone need more for what they compute than a quarter of their weights.
MODELS = {
    'light_resnet50': {},
    'cnn_wide': {},
    'encoder_wide': {'batch': 1, 'seq': 128},
    'decoder_wide': {'batch': 1, 'seq': 128},
    'encoder_deep': {'batch': 1, 'seq': 192},
    'mlp_wide': {'rows': 96},
    LARGE: 'set0',
}
NARROW = {
    'encoder_opset18': {'batch': 4, 'seq': 256},
    'cnn_opset14': {'batch': 8, 'height': 120, 'width': 120},
    'ppocr_v4_rec': {'p2o.DynamicDimension.0': 2, 'x[2]': 48, 'p2o.DynamicDimension.1': 640},
    'superres_pp': 'set0',
    'ppocr_det_v3': {'p2o.DynamicDimension.0': 1, 'p2o.DynamicDimension.1': 640,
                     'p2o.DynamicDimension.2': 640},
    'magika': {'unk__214': 8},
}


def find(name, roots):
    places = [root if root.name == name else root / name for root in roots]
    if name == LARGE:
        places = [root for root in roots if (root / 'ref0').is_dir()] + places
    return next((p for p in places if (p / 'model.onnx').is_file()), None)


def all_folders(args):
    """Where models lie, those included that are made when they are wanted."""
    roots = args.folders + [args.build / folder for folder in ('models', 'wide', 'large')]
    wanted = args.only.split(',') if args.only else list(MODELS)
    if any(name.endswith(('_wide', '_deep')) for name in wanted):
        subprocess.run([sys.executable, HERE.parent / 'models' / 'make_models.py',
                        args.build / 'wide', '--wide'], check=True)
    if LARGE in wanted and find(LARGE, roots) is None:
        model_folder(argparse.Namespace(folder=None, build=args.build))
    found = [(name, find(name, roots)) for name in wanted]
    for name, folder in found:
        if folder is None:
            print(f'{name}: in none of the folders')
    return [(name, folder) for name, folder in found if folder is not None]


def dims_of(name, folder):
    dims = {**MODELS, **NARROW}[name]
    if not isinstance(dims, dict):
        return ['--dims-from', next(p for p in (folder / dims, folder / 'ref0') if p.is_dir())]
    return [word for dim, size in dims.items() for word in ('--dim', f'{dim}={size}')]


class Bench:
    """One model: its plans and runs."""

    def __init__(self, args, programs, folder, name):
        self.args, self.programs, self.folder = args, programs, folder
        self.dims = dims_of(name, folder)
        self.plan = programs.scratch / 'p.plan'

    def compile(self, budget, *words):
        """The report of dmsc, or None where the budget is below the floor."""
        done, report = self.programs.compile(
            self.folder / 'model.onnx', self.plan, *self.dims, '--device-mem', budget, '--host-mem',
            AMPLE, '--profile', self.args.profile, *words, expect=(0, 5))
        if report is None:
            floor_named(done.stderr)
        return report

    def run_once(self, turns):
        return self.programs.run(self.plan, '--model-dir', self.folder, '--threads',
                                 self.args.threads, '--warmup', 1, '--iterations', turns)

    def run(self, period_ns):
        """The report of the fastest of two or three runs, each of turns for about --seconds."""
        turns = max(3, min(200, int(self.args.seconds * 1e9 / period_ns)))
        runs = [self.run_once(turns), self.run_once(turns)]
        while len(runs) < MOST and unrest(runs) > STEADY:
            runs.append(self.run_once(turns))
        return min(runs, key=lambda run: run['median_ns'])


def unrest(runs):
    """The slow end of the uneven runs over the fastest median."""
    return max(run['p90_ns'] for run in runs) / min(run['median_ns'] for run in runs)


def line(model, name, budget, which, predicted, ratios):
    """Runs the plan that was made last; prints and keeps how far it was predicted. Its report."""
    run = model.run(predicted)
    ratio = run['median_ns'] / predicted
    ratios.append((name, budget, which, ratio, run['median_ns']))
    spread = unrest([run]) - 1
    print(f'{name:17} {budget:>8}  {which} {predicted / 1e6:10.2f} {run["median_ns"] / 1e6:10.2f} '
          f'{ratio:6.2f}  {"" if abs(ratio - 1) <= WITHIN else "*"}'
          f'{f"p90 +{100 * spread:.0f} %" if spread > 0.1 else ""}', flush=True)
    return run


def bench(model, name, ratios):
    first = model.compile(AMPLE)
    run = line(model, name, 'resident', 'a', first['period_ns'], ratios)
    report = model.programs.scratch / 'resident.json'
    report.write_text(json.dumps(run))
    again = model.compile(AMPLE, '--measured', report)
    line(model, name, 'resident', 'b', again['period_ns'], ratios)
    for budget in BUDGETS:
        for which, words in (('a', ()), ('b', ('--measured', report))):
            plan = model.compile(budget, *words)
            if plan is None:
                print(f'{name:17} {budget:>8}  below the floor')
                break
            line(model, name, budget, which, plan['period_ns'], ratios)


def whole(ratios, which):
    """Models of long runs whose ratios at every budget are near 1."""
    names = {r[0] for r in ratios}
    of = {name: {r[1]: r for r in ratios if r[0] == name and r[2] == which} for name in names}
    return {name for name, at in of.items()
            if all(b in at and abs(at[b][3] - 1) <= WITHIN and at[b][4] > LONG_NS for b in BUDGETS)}


def summary(ratios):
    for which, what in (('a', 'calibrated profile alone'), ('b', 'with --measured')):
        these = [r for r in ratios if r[2] == which and r[4] > LONG_NS]
        near = [r for r in these if abs(r[3] - 1) <= WITHIN]
        names = whole(ratios, which)
        middle = statistics.median(r[3] for r in these) if these else 0
        print(f'{what}: {len(near)} of {len(these)} within {100 * WITHIN:.0f} %, median ratio '
              f'{middle:.2f}; at 100 %, 25 % and the floor: {len(names)} models of more than 20 ms '
              f'({", ".join(sorted(names))})')
    names = whole(ratios, 'a')
    passed = len(names - {LARGE}) >= ENOUGH and LARGE in names
    print('PASSED' if passed else 'FAILED')
    return passed


def calibrate(programs, args, path):
    """Prints the rates that matter most, and the last line of the table where figures varied."""
    table = programs.dmsrun('--calibrate', '-o', path, '--threads', args.threads, '--scratch',
                            programs.scratch).stdout
    profile = json.loads(path.read_text())
    print(f'calibrated: f32 {profile["flops"]["f32"] / 1e9:.0f} GFLOP/s, memory '
          f'{profile["memory_bytes_per_s"] / 1e9:.1f} GB/s, in '
          f'{profile["links"]["in"][0] / 1e9:.1f} GB/s and '
          f'{profile["links"]["in"][1] / 1e3:.1f} us', flush=True)
    last = table.strip().splitlines()[-1]
    if 'figures varied' in last:
        print(last, flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('folders', nargs='*', type=pathlib.Path)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=0.5)
    parser.add_argument('--profile', type=pathlib.Path)
    parser.add_argument('--only', default='')
    args = parser.parse_args()
    models = all_folders(args)
    with tempfile.TemporaryDirectory(dir=args.build) as scratch:
        programs, ratios, own = Programs(args.build, scratch), [], args.profile is None
        print(f'{"model":17} {"budget":>8}    {"predicted":>10} {"measured":>10}  ratio')
        for name, folder in models:
            if own:
                args.profile = pathlib.Path(scratch) / 'here.json'
                calibrate(programs, args, args.profile)
            bench(Bench(args, programs, folder, name), name, ratios)
        passed = summary(ratios)
    sys.exit(not passed)


if __name__ == '__main__':
    main()
