#!/usr/bin/env python3
"""whole.py DEVICE_BYTES FILE.json...: how long must storage read where blocks stay whole?

FILE is a placement problem (`dmsc --dump-problem`, ../shared/instances); the host has half of the
weights. An integer program, HiGHS in SciPy, of memory alone: each gap's block stays, or has a home
on the host, or is read; in every step both sides hold what is used, what stays, what waits between
two touches and all homes; the host holds the homes and one block that is being read. Nothing else
that a plan needs is asked for (a second place, copies in time, addresses), so no plan reads for
less. Prints milliseconds with parts of blocks, and with whole ones as far as a minute proves."""
import json
import sys

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_matrix

MB = 1e-6


def touches_of(tensor):
    at = [] if tensor[2] == -1 else [tensor[2]]
    for use in tensor[3]:
        at += range(use[0], use[1] + 1) if isinstance(use, list) else [use]
    return at


def memory(problem):
    """Megabytes that a step uses, and those that wait over it."""
    used = [scratch * MB for _, scratch in problem['steps']]
    waits = [0.0] * len(used)
    for tensor in problem['tensors']:
        touches = touches_of(tensor)
        for step in touches:
            used[step] += tensor[1] * MB
        if tensor[0] in 'ao':
            for a, b in zip(touches, touches[1:]):
                for step in range(a + 1, b):
                    waits[step] += tensor[1] * MB
    return used, waits


def least_reading(problem, device, host):
    n, (rate, latency) = len(problem['steps']), problem['links']['load']
    used, waits = memory(problem)
    stored_of = dict(problem.get('stored', ()))
    weights = [[*t[:4], stored_of.get(i, t[1])] for i, t in enumerate(problem['tensors'])
               if t[0] == 'w']
    gaps = [(w, a, b) for w, t in enumerate(weights)
            for a, b in zip(touches_of(t), touches_of(t)[1:] + [touches_of(t)[0] + n]) if b > a + 1]
    n_gaps, ring = len(gaps), 2 * len(gaps) + len(weights)  # columns: stays, read, home, ring
    rows = lil_matrix((2 * n + 2 * n_gaps + 1, ring + 1))
    low, high = np.full(rows.shape[0], -np.inf), np.full(rows.shape[0], np.inf)
    high[:n] = device * MB - np.array(used)
    high[n:2 * n] = (device + host) * MB - np.array(used) - np.array(waits)
    high[-1] = host * MB
    rows[-1, ring] = 1
    for w, tensor in enumerate(weights):
        rows[n:2 * n, 2 * n_gaps + w] = rows[-1, 2 * n_gaps + w] = tensor[1] * MB
    cost = np.zeros(ring + 1)
    for g, (w, a, b) in enumerate(gaps):
        size, stored = weights[w][1], weights[w][4]
        for step in range(a + 1, b):
            rows[step % n, g] = rows[n + step % n, g] = size * MB
        rows[2 * n + g, g] = rows[2 * n + g, n_gaps + g] = rows[2 * n + g, 2 * n_gaps + w] = 1
        low[2 * n + g] = 1
        rows[2 * n + n_gaps + g, ring], rows[2 * n + n_gaps + g, n_gaps + g] = 1, -size * MB
        low[2 * n + n_gaps + g] = 0
        cost[n_gaps + g] = (latency + stored * 1e9 / rate) * MB
    boxes = Bounds(0, np.append(np.ones(ring), np.inf))
    for is_whole in (0, 1):
        found = milp(cost, constraints=LinearConstraint(rows.tocsr(), low, high), bounds=boxes,
                     integrality=np.append(np.full(ring, is_whole), 0),
                     options={'time_limit': 60, 'mip_rel_gap': 2e-3})
        yield found.mip_dual_bound if is_whole else found.fun


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for path in sys.argv[2:]:
        with open(path, encoding='utf-8') as file:
            problem = json.load(file)
        parts, whole = least_reading(problem, int(sys.argv[1]), problem['weight_bytes'] // 2)
        print(f"{problem['name']:36} parts {parts:10.3f} ms   whole {whole:10.3f} ms", flush=True)


if __name__ == '__main__':
    main()
