#!/usr/bin/env python3
"""whole_link.py DEVICE_BYTES FILE.json...: how fast can plans of whole blocks be?

FILE is a placement problem (`dmsc --dump-problem`, ../shared/instances) of a few hundred steps, the
host large. A program of HiGHS in SciPy that every schedule of whole blocks satisfies: which blocks
stay over which gaps, in which slot the copies of the others begin. From there on a block is in
memory, an evicted activation until its save can have ended, and
  interval  copies that begin in slot r or later and are due by step u fit between the end of step
            r - 1 and the start of step u, on one link, turns repeating
  crossing  so does a copy under way that is due later, if one of these begins behind it.
Violated rows are added until none is left or four minutes are over; what is proven by then holds.
Blocks below a 12th of the budget may be there in parts. Prints milliseconds: the steps alone, all
blocks in parts, whole blocks (proven, and the best of the program, no plan yet), and beside them
the bound and the period of a plan in FILE."""
import itertools
import json
import sys
import time

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from whole import MB, memory, touches_of

SECONDS, MOST_COLUMNS, EPS = 240, 100_000, 1e-5


class Gap:
    """Between the touches a and b of a tensor; b may lie in the next turn."""

    def __init__(self, problem, tensor, index, a, b, write_end):
        (rate, latency), (out_rate, out_latency) = problem['links']['h2d'], problem['links']['d2h']
        kind, size = problem['tensors'][tensor][:2]
        self.key, self.size, self.b, self.write_end = (tensor, index), size * MB, b, write_end
        self.is_input = kind == 'i' and b >= len(problem['steps'])
        self.a = len(problem['steps']) - 1 if self.is_input else a
        self.copy = (size * 1e9 / rate + latency) * MB
        self.save = (size * 1e9 / out_rate + out_latency) * MB if kind in 'ao' else 0


def gaps_of(problem):
    n = len(problem['steps'])
    for i, tensor in enumerate(problem['tensors']):
        touches = touches_of(tensor)
        write_end = next(t for t in touches if t + 1 not in touches)
        ends = touches[1:] + ([touches[0] + n] if tensor[0] in 'wi' else [])
        for j, (a, b) in enumerate(zip(touches, ends)):
            if b > a + 1 or (tensor[0] == 'i' and b >= n):
                yield Gap(problem, i, j, a, b, write_end)


class Program:
    """Columns: stalls; of each gap x, it stays, and y, it is there in slot a + 1 .. b - 1."""

    def __init__(self, problem, device):
        self.n, self.gaps = len(problem['steps']), list(gaps_of(problem))
        self.ns = [ns * MB for ns, _ in problem['steps']]
        self.ends = np.concatenate([[0], np.cumsum(self.ns * 3)])
        self.n_columns = self.n
        for gap in self.gaps:
            gap.x, self.n_columns = self.n_columns, self.n_columns + gap.b - gap.a
        if self.n_columns > MOST_COLUMNS:
            sys.exit('whole_link.py: too many gaps and slots')
        self.rows, self.low, self.known = [], [], set()
        self.add_memory(problem, device * MB)
        self.add({**{t: 1 for t in range(self.n)}, **{g.x: g.copy for g in self.gaps}},
                 sum(g.copy for g in self.gaps) - sum(self.ns))

    def add(self, row, low):
        self.rows.append(row)
        self.low.append(low)

    def there(self, gap, slot):
        """The column that is 1 where the block of a gap is there in a slot of its frame."""
        return gap.x + max(0, slot - gap.a)

    def add_memory(self, problem, device):
        held = [{} for _ in range(self.n)]
        for gap in self.gaps:
            for slot in range(gap.a + 1, gap.b):
                y = self.there(gap, slot)
                self.add({y: 1, y - 1: -1}, 0)
                held[slot % self.n][y] = -gap.size
                computed = sum(self.ns[t % self.n] for t in range(gap.write_end + 1, slot))
                if computed < gap.save:
                    unsaved, self.n_columns = self.n_columns, self.n_columns + 1
                    held[slot % self.n][unsaved] = -gap.size
                    stalls = {t % self.n: 1 / gap.save for t in range(gap.write_end + 1, slot + 1)}
                    self.add({unsaved: 1, y: 1, **stalls}, 1 - computed / gap.save)
        for step, used in enumerate(memory(problem)[0]):
            self.add(held[step], used - device)

    def instances(self, first, last):
        """Gaps due in first..last, each with the shift of its turn."""
        for gap in self.gaps:
            for shift in range(-self.n, 2 * self.n + 1, self.n):
                if first <= gap.b + shift <= last:
                    yield gap, shift

    def interval(self, r, u):
        row, low = {}, -(self.ends[u] - self.ends[r])
        for t in range(r, u + 1):
            row[t % self.n] = row.get(t % self.n, 0) + 1
        for gap, shift in self.instances(r, u):
            y = self.there(gap, r - 1 - shift)
            row[y], low = row.get(y, 0) + gap.copy, low + gap.copy
        return row, low

    def crossing(self, r, u, over, behind, k):
        """`over` began in r..k - 1, is due behind u; `behind` begins in k or later, is due by u."""
        row, low = self.interval(r, u)
        for (gap, shift), slot, sign in (over, k, -1), (over, r, 1), (behind, k, 1):
            y = self.there(gap, slot - 1 - shift)
            row[y] = row.get(y, 0) + sign * over[0].copy
        return row, low

    def violated_intervals(self, x):
        stalls = np.concatenate([[0], np.cumsum(np.tile(x[:self.n], 3))])
        for r in range(self.n):
            last = r + self.n + self.n // 2
            load = np.zeros(last + 1)
            for gap, shift in self.instances(r, last):
                load[gap.b + shift] += gap.copy * (1 - x[self.there(gap, r - 1 - shift)])
            late = np.cumsum(load)[r:] - (self.ends[r:last + 1] - self.ends[r]) - (
                stalls[r + 1:last + 2] - stalls[r])
            for u in np.argsort(-late)[:3]:
                if late[u] > EPS:
                    yield late[u], (r, r + int(u))

    def violated_crossings(self, x, least):
        begun = []
        for gap in self.gaps:
            there = np.flatnonzero(x[gap.x:gap.x + gap.b - gap.a] > 0.02)
            start = gap.a + int(there[0]) if len(there) else gap.b
            begun += [(gap, turn, start + turn) for turn in (-self.n, 0, self.n) if start > gap.a]
        large = [b for b in begun if b[0].size >= least and 0 <= b[2] < self.n]
        for (over, shift, r), (behind, turn, k) in itertools.product(large, begun):
            u = behind.b + turn
            if r < k <= u < over.b + shift:
                row, low = self.interval(r, u)
                late = low + over.copy - sum(v * x[c] for c, v in row.items())
                if late > 10 * EPS:
                    yield late, (r, u, (over, shift), (behind, turn), k)

    def add_violated(self, x, least):
        """The worst of each kind; a crossing for a few slots around r too."""
        before = len(self.known)
        rows = [(self.interval, key) for _, key in sorted(self.violated_intervals(x))[-60:]]
        found = self.violated_crossings(x, least) if least < np.inf else ()
        for _, (r, *rest) in sorted(found, key=lambda f: f[0])[-40:]:
            rows += [(self.crossing, (first, *rest))
                     for first in range(max(r - 2, 0), min(r + 3, rest[-1]))]
        for row, key in rows:
            if key not in self.known:
                self.known.add(key)
                self.add(*row(*key))
        return len(self.known) > before

    def solve(self, least, until):
        """Milliseconds that are proven, and those of the best point; whole from `least` MB on."""
        whole, cost, proven = np.zeros(self.n_columns), np.zeros(self.n_columns), 0
        cost[:self.n] = 1
        high = np.ones(self.n_columns)
        high[:self.n] = np.inf
        for gap in self.gaps:
            whole[gap.x:gap.x + gap.b - gap.a] = gap.size >= least
            high[gap.x] = not gap.is_input
        while True:
            i, c, v = zip(*((i, *e) for i, row in enumerate(self.rows) for e in row.items()))
            matrix = csr_matrix((v, (i, c)), shape=(len(self.rows), self.n_columns))
            found = milp(cost, constraints=LinearConstraint(matrix, self.low, np.inf),
                         bounds=Bounds(0, high), integrality=whole,
                         options={'time_limit': max(1, until - time.time()), 'mip_rel_gap': 2e-3})
            value = found.mip_dual_bound if least < np.inf else found.fun
            proven = max(proven, value if value is not None else 0)
            if found.x is None or not self.add_violated(found.x, least) or time.time() > until:
                best = found.fun if found.x is not None else np.nan
                return proven + sum(self.ns), best + sum(self.ns)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for path in sys.argv[2:]:
        with open(path, encoding='utf-8') as file:
            problem = json.load(file)
        program, until = Program(problem, int(sys.argv[1])), time.time() + SECONDS
        parts, _ = program.solve(np.inf, until)
        proven, best = program.solve(int(sys.argv[1]) * MB / 12, until)
        plan = problem.get('plan', {})
        ours = ''.join(f'   {key} {plan[key] * MB:.3f}' for key in ('bound_ns', 'period_ns')
                       if key in plan).replace('_ns', '')
        print(f"{problem['name']:24} steps {sum(program.ns):.3f}   parts {parts:.3f}   "
              f'whole {proven:.3f} to {best:.3f}{ours} ms', flush=True)


if __name__ == '__main__':
    main()
