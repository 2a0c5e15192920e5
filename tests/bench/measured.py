"""usage: measured.py BUILD [FOLDER...] [--pairs 7] [--threads 1] [--seconds 0.5]
    [--device-mem 25%] [--profile FILE] [--only NAME,...]

Does --measured make plans slower? Every model is run with everything resident, then planned twice
at a smaller budget (the floor where that is below it): by the profile alone, and with the step
times of that run. The two plans take turns; printed is the median of time with / time without over
the pairs, and whether the plans differ at all. Models as in predict.py."""
import argparse
import json
import pathlib
import sys
import tempfile
from statistics import median

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / 'e2e'))
from predict import AMPLE, MODELS, dims_of, find  # noqa: E402
from programs import Programs  # noqa: E402


def compile_at(programs, folder, dims, plan, budget, *words):
    done, report = programs.compile(folder / 'model.onnx', plan, *dims, '--device-mem', budget,
                                    '--host-mem', AMPLE, *words, expect=(0, 5))
    if done.returncode == 5:
        _, report = programs.compile(folder / 'model.onnx', plan, *dims, '--device-mem', 'floor',
                                     '--host-mem', AMPLE, *words)
    return report


def time_of(programs, folder, plan, args, period_ns):
    turns = max(3, min(100, int(args.seconds * 1e9 / period_ns)))
    return programs.run(plan, '--model-dir', folder, '--threads', args.threads, '--warmup', 1,
                        '--iterations', turns)


def bench(programs, name, folder, args):
    dims, profile = dims_of(name, folder), ('--profile', args.profile)
    plain, refined = programs.scratch / 'plain.plan', programs.scratch / 'refined.plan'
    first = compile_at(programs, folder, dims, plain, AMPLE, *profile)
    report = programs.scratch / 'resident.json'
    report.write_text(json.dumps(time_of(programs, folder, plain, args, first['period_ns'])))
    before = compile_at(programs, folder, dims, plain, args.device_mem, *profile)
    after = compile_at(programs, folder, dims, refined, args.device_mem, *profile,
                       '--measured', report)
    ratios = []
    for _ in range(args.pairs):
        one = time_of(programs, folder, plain, args, before['period_ns'])
        two = time_of(programs, folder, refined, args, before['period_ns'])
        if one['digest'] != two['digest']:
            sys.exit(f'{name}: THE DIGESTS DIFFER')
        ratios.append(two['median_ns'] / one['median_ns'])
    moved = (before['device_arena_bytes'], before['commands']) != (after['device_arena_bytes'],
                                                                   after['commands'])
    print(f'{name:17} {median(ratios):7.3f}  ({min(ratios):.3f} to {max(ratios):.3f})  '
          f'{"another plan" if moved else "the same size and commands"}', flush=True)
    return median(ratios)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace('%', '%%'))
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('folders', nargs='*', type=pathlib.Path)
    parser.add_argument('--pairs', type=int, default=7)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=0.5)
    parser.add_argument('--device-mem', default='25%')
    parser.add_argument('--profile', default='cpu')
    parser.add_argument('--only', default='')
    args = parser.parse_args()
    roots = args.folders + [args.build / 'models', args.build / 'large']
    wanted = args.only.split(',') if args.only else list(MODELS)
    print(f'{"model":17} with / without --measured, {args.pairs} pairs')
    with tempfile.TemporaryDirectory(dir=args.build) as scratch:
        programs = Programs(args.build, scratch)
        all_ratios = [bench(programs, name, folder, args) for name in wanted
                      if (folder := find(name, roots)) is not None]
    print(f'median of {len(all_ratios)} models: {median(all_ratios):.3f}')


if __name__ == '__main__':
    main()
