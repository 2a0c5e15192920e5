"""usage: graphs.py BUILD FOLDER [--only WORD] [--profile h100-pcie] [--host-mem SIZE]

Compiles every .onnx file of FOLDER (exporter graphs whose weights are missing) and prints a table:
prefill and decode, at 50, 25, 12.5 and 6.25 % of the weights where that is above the floor. A row
has period / bound, the sum of the steps over 2 M N K / (peak x efficiency) of the products with
weights, seconds, peak resident memory, bytes of the plan, seconds that the checker takes. What is
outside the limits is marked."""
import argparse
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

import onnx

LIMIT = {'period / bound': 1.03, 's': 60, 'MiB': 954, 'plan KiB': 5 << 10, 'check s': 2}
PERCENTS = ('50%', '25%', '12.5%', '6.25%')
CASES = {'prefill 2048': {'seq': 2048, 'past': 0}, 'prefill 8192': {'seq': 8192, 'past': 0},
         'decode after 2048': {'seq': 1, 'past': 2048}}
OTHER = {'batch': 1, 'height': 64, 'width': 64, 'enc_seq': 77, 's86': 1}


def dims_of(model):
    """The symbolic names of the inputs that are names, not expressions."""
    names = [d.dim_param for i in model.graph.input for d in i.type.tensor_type.shape.dim]
    return sorted({n for n in names if re.fullmatch(r'\w+', n)})


def cases_of(model):
    """Title and dims of every case of a graph; one without `seq` has one case."""
    names = dims_of(model)
    if 'seq' not in names:
        return {'one image': {n: OTHER[n] for n in names}}
    return {title: {n: {**OTHER, **case, 'total': case['seq'] + case['past']}[n] for n in names}
            for title, case in CASES.items()}


def product_flops(model, rows):
    """2 M N K over the products with a weight, where all of them have `rows` rows."""
    weight = {t.name: list(t.dims) for t in model.graph.initializer if len(t.dims) == 2}
    transposed = {n.output[0]: weight[n.input[0]][::-1] for n in model.graph.node
                  if n.op_type == 'Transpose' and n.input[0] in weight}
    weight.update(transposed)
    return sum(2 * rows * weight[n.input[1]][0] * weight[n.input[1]][1] for n in model.graph.node
               if n.op_type == 'MatMul' and n.input[1] in weight)


def user_seconds(words):
    """Runs a program; its completed process and the processor time it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compile_one(args, path, dims, percent, scratch):
    """A row of figures, or the reason why there is none."""
    plan, report = scratch / 'a.plan', scratch / 'a.json'
    words = [w for name, value in dims.items() for w in ('--dim', f'{name}={value}')]
    done, seconds = user_seconds([args.build / 'dmsc', path, '-o', plan, '--json', report, '-q',
                                  '--profile', args.profile, '--device-mem', percent,
                                  '--host-mem', args.host_mem, *words])
    if done.returncode == 5:
        return None, re.search(r'floor\D*?(\d+) bytes', done.stderr)
    if done.returncode != 0:
        return None, done.stderr.strip().splitlines()[-1]
    figures = json.loads(report.read_text())
    checked, check_s = user_seconds([args.build / 'dmsc', '--verify', plan])
    if checked.returncode != 0:
        return None, checked.stderr.strip()
    return {'figures': figures, 'period / bound': figures['period_ns'] / figures['bound_ns'],
            's': seconds, 'MiB': figures['peak_rss_bytes'] / (1 << 20),
            'plan KiB': figures['plan_bytes'] / 1024, 'check s': check_s}, None


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('--only', default='')
    parser.add_argument('--profile', default='h100-pcie')
    parser.add_argument('--host-mem', default='1000GiB')
    parser.add_argument('--f16-flops', type=float, default=415.8e12, help='of the profile')
    args = parser.parse_args()
    print(f'| graph | case | device | steps | {" | ".join(LIMIT)} | compute / 2MNK |')
    print('|---|---|---|---|' + '---|' * (len(LIMIT) + 1))
    n_bad = 0
    for path in sorted(args.folder.glob('*.onnx')):
        if args.only not in path.name:
            continue
        model = onnx.load(path, load_external_data=False)
        for title, dims in cases_of(model).items():
            least_ns = product_flops(model, dims.get('seq', 0)) / args.f16_flops * 1e9
            for percent in PERCENTS:
                with tempfile.TemporaryDirectory() as scratch:
                    row, why = compile_one(args, path, dims, percent, pathlib.Path(scratch))
                head = f'| {path.stem} | {title} | {percent.replace("%", " %")} |'
                if row is None:
                    is_floor = isinstance(why, re.Match)
                    n_bad += not is_floor
                    print(head, f'floor {int(why[1]) >> 20} MiB |' if is_floor else f'FAILS: {why}')
                    continue
                cells = [f'{row[k]:.3f}' + (' ABOVE' if row[k] > most else '')
                         for k, most in LIMIT.items()]
                n_bad += any('ABOVE' in c for c in cells)
                work = row['figures']['compute_ns'] / least_ns if least_ns else 0
                n_bad += 0 < work < 1
                print(head, row['figures']['steps'], '|', ' | '.join(cells),
                      f'| {work:.3f} |' if work else '| - |', flush=True)
    return 1 if n_bad else 0


if __name__ == '__main__':
    sys.exit(main())
