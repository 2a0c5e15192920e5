"""usage: recompute.py BUILD PROBLEM.json [--budget BYTES]...

What computing activations again, instead of keeping or copying them, could gain at most: bounds of
a problem (dmsc --dump-problem) as it is; with `cheap` gaps for nothing (those that one step could
end which reads no weight of 64 KiB, takes less time than the copy back, and whose other activations
are there anyway); with all gaps of activations for nothing."""
import argparse
import json
import pathlib
import subprocess
import tempfile


def ascending(uses):
    """All steps of a list of steps and [first, last] runs."""
    return [s for u in uses for s in (range(u[0], u[1] + 1) if isinstance(u, list) else [u])]


def runs_of(steps):
    """Neighbouring steps together."""
    runs = [[steps[0]]]
    for s in steps[1:]:
        if s == runs[-1][-1] + 1:
            runs[-1].append(s)
        else:
            runs.append([s])
    return runs


def is_cheap(problem, touch, users, i, at):
    """The step that makes tensor i could make it again before step `at`."""
    rate, latency = problem['links']['h2d']
    step, size = touch[i][0], problem['tensors'][i][1]
    others = [j for j in users[step] if j != i]
    reads = [j for j in others if touch[j][0] < step and problem['tensors'][j][0] != 'w']
    return (problem['steps'][step][0] < latency + size * 1e9 / rate
            and all(problem['tensors'][j][0] != 'w' or problem['tensors'][j][1] < 65536
                    for j in others)
            and all(touch[j][-1] >= at for j in reads))


def without_gaps(problem, only_cheap):
    """The problem with such gaps for nothing: what follows is a tensor of its own. Their number."""
    touch = [([t[2]] if t[2] >= 0 else []) + ascending(t[3]) for t in problem['tensors']]
    users, tensors, n = {}, [], 0
    for i, steps in enumerate(touch):
        for s in steps:
            users.setdefault(s, []).append(i)
    for i, t in enumerate(problem['tensors']):
        if t[0] != 'a':
            tensors.append(t)
            continue
        parts = []
        for run in runs_of(touch[i]):
            if parts and only_cheap and not is_cheap(problem, touch, users, i, run[0]):
                parts[-1] += run
            else:
                parts.append(run)
        n += len(parts) - 1
        tensors += [['a', t[1], p[0], p[1:]] for p in parts]
    return {**problem, 'tensors': tensors, 'stored': []}, n  # nothing is read: the host is large


def bounds(build, problem, words):
    """Budget: bound in ms."""
    with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
        json.dump(problem, file)
        file.flush()
        done = subprocess.run([f'{build}/tests/bench/placement', *words, file.name],
                              capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()[1:] if 'below' not in line]
    return {int(r[1]): float(r[4]) for r in rows}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('problem', type=pathlib.Path)
    parser.add_argument('--budget', action='append', default=[])
    args = parser.parse_args()
    problem = json.loads(args.problem.read_text(encoding='ascii'))
    cheap, n_cheap = without_gaps(problem, True)
    free, n_free = without_gaps(problem, False)
    print(f'{problem["name"]}: {n_cheap} cheap gaps of {n_free}')
    for words in [('--budget', b) for b in args.budget] or [('--shares',)]:
        own, *others = (bounds(args.build, p, words) for p in (problem, cheap, free))
        for budget, ms in own.items():
            print(f'{budget:>14} bound {ms:9.3f} ms, cheap x {others[0][budget] / ms:.4f}, '
                  f'all x {others[1][budget] / ms:.4f}')


if __name__ == '__main__':
    main()
