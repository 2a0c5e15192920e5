"""usage: predict.py BUILD [FOLDER...] [--threads 1] [--seconds 1.2]
    [--profile FILE] [--only NAME,...]

Predicted beside measured time: a profile is calibrated (--profile takes one that is there), every
model is planned and run with everything resident, at 100 %, 25 % and the floor. (a) is the profile
alone; (b) the same with the step times of the resident run, dmsc --measured. Ratios are measured
over predicted. Models are looked up by name in the FOLDERs, BUILD/models among them; those that
are nowhere are left out, and a decoder with 608 MB of weights is made where none is there. The last
lines say how many ratios lie within 15 %. Takes less than 4 minutes on a machine with nothing else
to do; on another one the first line of the table says how much the calibration varied."""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / 'e2e'))
from memory import model_folder  # noqa: E402
from programs import Programs, floor_named  # noqa: E402

AMPLE = '64GiB'
BUDGETS = ('100%', '25%', 'floor')
WITHIN = 0.15
LARGE = 'decoder_608mb'

# Dims that make a turn take more than 20 ms on one core; a folder of inputs gives them by example.
MODELS = {
    'light_resnet50': {},
    'encoder_opset18': {'batch': 4, 'seq': 256},
    'decoder_opset23': {'batch': 1, 'seq': 512},
    'cnn_opset14': {'batch': 8, 'height': 128, 'width': 128},
    'ppocr_v4_rec': {'p2o.DynamicDimension.0': 2, 'x[2]': 48, 'p2o.DynamicDimension.1': 640},
    'superres_pp': 'set0',
    'ppocr_det_v3': {'p2o.DynamicDimension.0': 1, 'p2o.DynamicDimension.1': 640,
                     'p2o.DynamicDimension.2': 640},
    'magika': {'unk__214': 8},
    LARGE: 'set0',
}


def find(name, roots):
    places = [root if root.name == name else root / name for root in roots]
    if name == LARGE:
        places += [root for root in roots if (root / 'ref0').is_dir()]
    return next((p for p in places if (p / 'model.onnx').is_file()), None)


def dims_of(name, folder):
    dims = MODELS[name]
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

    def run(self, period_ns):
        """Turns for about --seconds; the report of dmsrun."""
        turns = max(3, min(200, int(self.args.seconds * 1e9 / period_ns)))
        return self.programs.run(self.plan, '--model-dir', self.folder, '--threads',
                                 self.args.threads, '--warmup', 1, '--iterations', turns)


def line(name, budget, which, predicted, run, ratios):
    ratio = run['median_ns'] / predicted
    ratios.append((name, which, ratio, run['median_ns']))
    spread = run['p90_ns'] / run['median_ns'] - 1
    print(f'{name:17} {budget:>8}  {which} {predicted / 1e6:10.2f} {run["median_ns"] / 1e6:10.2f} '
          f'{ratio:6.2f}  {"" if abs(ratio - 1) <= WITHIN else "*"}'
          f'{f"p90 +{100 * spread:.0f} %" if spread > 0.1 else ""}', flush=True)


def bench(model, name, ratios):
    first = model.compile(AMPLE)
    run = model.run(first['period_ns'])
    line(name, 'resident', 'a', first['period_ns'], run, ratios)
    report = model.programs.scratch / 'resident.json'
    report.write_text(json.dumps(run))
    again = model.compile(AMPLE, '--measured', report)
    line(name, 'resident', 'b', again['period_ns'], model.run(again['period_ns']), ratios)
    for budget in BUDGETS:
        for which, words in (('a', ()), ('b', ('--measured', report))):
            plan = model.compile(budget, *words)
            if plan is None:
                print(f'{name:17} {budget:>8}  below the floor')
                break
            line(name, budget, which, plan['period_ns'], model.run(plan['period_ns']), ratios)


def summary(ratios):
    for which, what in (('a', 'calibrated profile alone'), ('b', 'with --measured')):
        these = [r for r in ratios if r[1] == which and r[3] > 20e6]
        near = [r for r in these if abs(r[2] - 1) <= WITHIN]
        whole = {r[0] for r in these} - {r[0] for r in these if r not in near}
        middle = statistics.median(r[2] for r in these) if these else 0
        print(f'{what}: {len(near)} of {len(these)} within {100 * WITHIN:.0f} % (runs above 20 ms), '
              f'{len(whole)} models at every budget; median ratio {middle:.2f}')


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('folders', nargs='*', type=pathlib.Path)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=1.2)
    parser.add_argument('--profile', type=pathlib.Path)
    parser.add_argument('--only', default='')
    args = parser.parse_args()
    roots = args.folders + [args.build / 'models', args.build / 'large']
    wanted = args.only.split(',') if args.only else list(MODELS)
    if LARGE in wanted and find(LARGE, roots) is None:
        model_folder(argparse.Namespace(folder=None, build=args.build))
    with tempfile.TemporaryDirectory(dir=args.build) as scratch:
        programs, ratios = Programs(args.build, scratch), []
        if args.profile is None:
            args.profile = pathlib.Path(scratch) / 'here.json'
            table = programs.dmsrun('--calibrate', '-o', args.profile, '--threads', args.threads,
                                    '--scratch', scratch).stdout
            print(table.strip().splitlines()[-1])
        print(f'{"model":17} {"budget":>8}    {"predicted":>10} {"measured":>10}  ratio')
        for name in wanted:
            folder = find(name, roots)
            if folder is not None:
                bench(Bench(args, programs, folder, name), name, ratios)
        summary(ratios)


if __name__ == '__main__':
    main()
