"""usage: change_plans.py BUILD ROUNDS MODEL...

Plans each model (a folder with model.onnx and set0) with all weights on the device, with half of
them, and at its floor with the smallest host, which reads weights in every turn; makes ROUNDS
changes of each plan by BUILD/tests/plan_changes, and prints what became of them by kind."""
import pathlib
import re
import subprocess
import sys

BUDGETS = {'all': ['--device-mem', '100%'], 'half': ['--device-mem', '50%'],
           'floor': ['--device-mem', 'floor'], 'nvme': ['--device-mem', 'floor']}


def dmsc(build, model, plan, words):
    plan.unlink(missing_ok=True)
    command = [build / 'dmsc', model / 'model.onnx', '-o', plan, '-q', *words]
    return subprocess.run([*command, '--dims-from', model / 'set0'], capture_output=True, text=True)


def smallest_host(build, model, plan):
    """What the message about a host of nothing names; None where nothing is needed there."""
    done = dmsc(build, model, plan, [*BUDGETS['nvme'], '--host-mem', '1'])
    found = re.search(r'--host-mem (\d+)', done.stderr)
    return found.group(1) if found else None


def plans_of(build, model, folder):
    for name, words in BUDGETS.items():
        plan = folder / f'{model.name}-{name}.plan'
        if name == 'nvme':
            host = smallest_host(build, model, plan)
            if host is None:
                continue
            words = [*words, '--host-mem', host]
        if dmsc(build, model, plan, words).returncode == 0:
            yield f'{plan}={model}'


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    folder = build / 'changed'
    folder.mkdir(exist_ok=True)
    plans = [plan for text in sys.argv[3:] for plan in plans_of(build, pathlib.Path(text), folder)]
    print(f'{len(plans)} plans of {len(sys.argv) - 3} models', flush=True)
    sys.exit(subprocess.run([build / 'tests/plan_changes', sys.argv[2], '1', *plans]).returncode)


if __name__ == '__main__':
    main()
