#!/usr/bin/env python3
"""check_certificate.py PROBLEM.json CERTIFICATE.json: is the bound proven?

PROBLEM is what `dmsc --dump-problem` writes, CERTIFICATE what `dmsc --certificate` writes.
Exit code 0: no schedule of these steps within these budgets has a shorter period than bound_ns.
1: the prices do not prove that. 2: a file cannot be used. The argument stands in
docs/certificate.md; this program does its sums, in whole numbers and fractions, without rounding,
and shares no code with the planner.
"""
import json
import sys
from bisect import bisect
from fractions import Fraction
from itertools import accumulate

TIME = Fraction(1, 10**12)  # one unit of a price per ns
BYTE = Fraction(1, 10**15)  # one unit of a price per byte, in ns
NO_HOST_LIMIT = 2**64 - 1


def need(condition, what):
    if not condition:
        raise ValueError(what)


def read(path, name, version):
    with open(path, encoding='utf-8') as file:
        root = json.load(file)
    need(isinstance(root, dict) and root.get('format') == name and root.get('version') == version,
         f'{path}: not a {name} of version {version}')
    return root


def whole(value, least=0):
    """A number; the format of problems lets whole numbers stand as reals."""
    need(type(value) in (int, float) and value >= least, f'{value!r} is not a number >= {least}')
    return int(value)


class Link:
    """One copy at a time; a copy of s bytes takes latency + s / rate."""

    def __init__(self, pair):
        self.per_byte, self.latency = Fraction(10**9, whole(pair[0], 1)), whole(pair[1])

    def ns(self, size):
        return self.latency + size * self.per_byte

    def ns_rounded(self, size):  # as the plan counts a copy
        return -(-self.ns(size) // 1)

    def best_rate(self, largest):  # bytes per ns of the copy that carries most per time
        return largest / self.ns(largest)


class Tensor:
    """Touches: every step that needs it, ascending."""

    def __init__(self, row, stored):
        self.kind, self.size, producer, uses = row[0], whole(row[1], 1), row[2], row[3]
        self.stored = whole(stored)  # bytes that storage delivers for it
        need(self.kind in ('w', 'i', 'a', 'o'), f'tensor of kind {self.kind!r}')
        self.touches = [] if producer == -1 else [whole(producer)]
        for use in uses:
            first, last = use if isinstance(use, list) else (use, use)
            self.touches += range(whole(first), whole(last) + 1)
        need(self.touches and self.touches == sorted(set(self.touches)), 'touches out of order')
        self.is_own = self.kind == 'w' and len(self.touches) == 1
        self.write_end = next((a for a, b in zip(self.touches, self.touches[1:]) if b > a + 1),
                              self.touches[-1])  # written in the first run of neighbouring ones

    def gaps(self, n_steps):
        """(a, b, is anew): between two touches with a step between them, or round the end of the
        cycle, where b passes n_steps. Anew: the next cycle brings other bytes."""
        wrap = [self.touches[0] + n_steps] if self.kind in 'wi' else []
        for a, b in zip(self.touches, self.touches[1:] + wrap):
            if b - a > 1 or (self.kind == 'i' and b >= n_steps):
                yield a, b, self.kind == 'i' and b >= n_steps


class Problem:
    def __init__(self, root):
        self.steps = [(whole(ns), whole(scratch)) for ns, scratch in root['steps']]
        stored = dict(root.get('stored', ()))
        self.tensors = [Tensor(row, stored.get(i, row[1])) for i, row in enumerate(root['tensors'])]
        self.link_in, self.link_out, self.load = (Link(root['links'][key])
                                                  for key in ('h2d', 'd2h', 'load'))
        self.largest = max([tensor.size for tensor in self.tensors], default=1)
        self.footprint = [scratch for _, scratch in self.steps]
        self.waiting = [0] * len(self.steps)  # bytes between two touches, made in the cycle
        self.own = [[] for _ in self.steps]  # weights that this step alone touches
        for tensor in self.tensors:
            for step in tensor.touches:
                self.footprint[step] += tensor.size  # or there is no such step
            if tensor.is_own:
                self.own[tensor.touches[0]].append(tensor.size)
            for a, b in zip(tensor.touches, tensor.touches[1:]):
                for step in range(a + 1, b) if tensor.kind in 'ao' else ():
                    self.waiting[step] += tensor.size


class Group:
    """Neighbouring steps, and the prices at the end of the last."""
    def __init__(self, first, row):
        self.first, self.last = first, whole(row[0], first)
        times, sizes = (row[3], row[4], row[8]), row[1:3] + row[5:8] + row[9:11]
        self.link_time, self.arrival_time, self.inputs = (whole(p) * TIME for p in times)
        self.link, self.arrival, self.density, self.memory, self.out, self.away, self.busy = (
            whole(p) * BYTE for p in sizes)
        self.due = [whole(p) * TIME for p in row[11::2]]
        self.early = [whole(p) * TIME for p in row[12::2]]
        self.last_load = -1


class Certificate:
    """Prices for one case; `root` has what all cases share."""
    def __init__(self, root, case):
        self.device_bytes, self.host_bytes, self.large_bytes, self.bound_ns, self.period_ns = (
            whole(root[key]) for key in
            ('device_bytes', 'host_bytes', 'large_bytes', 'bound_ns', 'period_ns'))
        self.short_bytes, self.own_bytes, self.busy_bytes = (
            whole(case[key + '_bytes']) for key in ('short', 'own', 'busy'))
        self.cuts = [whole(cut, 1) for cut in case['cut_bytes']]
        need(self.cuts == sorted(set(self.cuts)), 'paces out of order')
        self.link_total, self.storage, self.large, self.lasts, self.apart, self.spare = (
            whole(case[key]) * TIME
            for key in ('link_total', 'storage', 'large', 'lasts', 'apart', 'spare'))
        self.host, self.short, self.pair = (whole(case[k]) * BYTE for k in ('host', 'short', 'pair'))
        self.groups = []
        for row in case['groups']:
            need(len(row) == 11 + 2 * len(self.cuts), 'prices of other paces')
            self.groups.append(Group(self.groups[-1].last + 1 if self.groups else 0, row))
        self.home = self.host + self.short + self.pair + sum(group.away for group in self.groups)
        need(self.host_bytes < NO_HOST_LIMIT or self.home == 0, 'a price without a limit')


def certificates(root):
    """Of all schedules; or of those with two large readings on the host at once, then the rest."""
    cases = [Certificate(root, case) for case in root['cases']]
    need(0 < len(cases) < 3 and cases[0].apart == cases[-1].pair == 0, 'a price of another case')
    return cases


class Proof:
    """Sums up what the prices prove."""
    def __init__(self, problem, certificate):
        self.problem, self.c, self.groups = problem, certificate, certificate.groups
        self.n = len(problem.steps)
        need(self.groups and self.groups[-1].last == self.n - 1, 'groups do not end with the cycle')
        self.group_of = [g for g, at in enumerate(self.groups)
                         for _ in range(at.first, at.last + 1)]
        self.memory = list(accumulate([at.memory + at.busy for at in self.groups] * 2, initial=0))
        self.away = list(accumulate([group.away for group in self.groups] * 2, initial=0))
        for at in self.groups:  # what an ns of the link pays beside the group's only step
            ns = problem.steps[at.last][0]
            need(at.busy == 0 or (at.first == at.last and ns > 0), 'a price of no single step')
            at.carrying = at.busy * self.c.busy_bytes / max(ns, 1)
        self.rate_in = problem.link_in.best_rate(problem.largest)
        self.rate_out = problem.link_out.best_rate(problem.largest)

    def no_column_lowers_it(self):
        """More stall, stock, waiting saves or link time ahead must not make the sum smaller."""
        slowest = [self.problem.link_in.ns(cut) / cut for cut in self.c.cuts]
        waits = sum(group.inputs for group in self.groups)  # of this group's stall and later ones
        for at, after in zip(self.groups, self.groups[1:] + self.groups[:1]):
            stall = (1 - self.rate_in * (at.link + at.arrival) - at.link_time - at.arrival_time -
                     at.carrying - self.rate_out * at.out - self.c.link_total - self.c.storage -
                     waits - self.c.large - self.c.lasts - self.c.apart)
            waits -= at.inputs
            stock = at.link + at.memory - after.link - after.arrival - at.density
            waiting = after.out + at.memory + at.busy - at.out
            ahead = [at.link_time - at.early[p] + at.density / rho - after.link_time -
                     after.due[p] + after.early[p] + at.carrying - after.carrying
                     for p, rho in enumerate(slowest)]
            last = [at.arrival_time - due for due in at.due]
            if min(stall, stock, waiting, self.c.spare - at.carrying, *ahead, *last) < 0:
                return False
        return True

    def slot(self, step):  # the group of a step of this cycle or the next
        return self.group_of[step % self.n] + len(self.groups) * (step // self.n)

    def price_of_load(self, step, size):
        group, ns = self.groups[self.group_of[step]], self.problem.link_in.ns(size)
        group.last_load = max(group.last_load, step)
        pace, busy = bisect(self.c.cuts, size) - 1, 0
        if pace >= 0:
            busy = (group.link_time + group.due[pace] - group.early[pace] + group.carrying -
                    (self.c.spare if size < self.c.busy_bytes else 0)) * ns
        return (group.link + group.arrival) * size + busy + self.c.link_total * ns

    def price_gap(self, tensor, is_first, is_anew, a, b):
        """Of staying over a gap, of being loaded instead, and of being read before."""
        first, last = self.slot(a + 1), self.slot(b)
        if first >= last and not is_anew:  # covers no checkpoint: it may stay for nothing
            return 0, 0, 0
        load = self.price_of_load(b % self.n, tensor.size)
        if is_anew:
            return load, load, 0
        stay = (self.memory[last] - self.memory[first]) * tensor.size
        if tensor.kind in 'wi':  # what is made in the cycle waits on the host or on the device
            stay += (self.away[last] - self.away[first]) * tensor.size
        stay += self.c.short * tensor.size if tensor.is_own else 0
        if tensor.kind == 'a' and is_first and a == tensor.write_end:
            load += self.groups[first % len(self.groups)].out * tensor.size
        ns = self.problem.load.ns_rounded(tensor.stored)
        held = ns + self.problem.link_in.ns_rounded(tensor.size)  # until its copy has ended
        read = ns * self.c.storage
        if tensor.size >= self.c.large_bytes:
            read += ns * (self.c.large + self.c.lasts) + held * self.c.apart
        if self.c.period_ns > 0:
            read += self.c.host * tensor.size * Fraction(held) / self.c.period_ns
        return stay, load, read

    def price_of_tensor(self, tensor):
        """Of the cheapest way; a weight has one home for all its gaps, or none and is read."""
        home = without = 0
        for number, (a, b, is_anew) in enumerate(tensor.gaps(self.n)):
            stay, load, read = self.price_gap(tensor, number == 0, is_anew, a, b)
            home += min(stay, load)
            without += min(stay, load + read) if tensor.stored > 0 else stay
        if tensor.kind == 'o' and tensor.touches[-1] == tensor.write_end:
            after = self.slot(tensor.touches[-1] + 1) % len(self.groups)
            home += self.groups[after].out * tensor.size
        return min(home + self.c.home * tensor.size, without) if tensor.kind == 'w' else home

    def offer(self, at):
        """What the machine gives in a group, at its prices."""
        steps = self.problem.steps
        ns = sum(step[0] for step in steps[at.first:at.last + 1])
        before = sum(step[0] for step in steps[at.first:max(at.first, at.last_load)])
        room = self.c.device_bytes - self.problem.footprint[at.last]
        reading = min(at.away * self.c.large_bytes, self.c.lasts * steps[at.last][0])
        return ((at.link * self.rate_in + at.link_time + at.out * self.rate_out +
                 self.c.link_total + self.c.storage + self.c.large + self.c.lasts +
                 self.c.apart) * ns - reading +
                (at.arrival * self.rate_in + at.arrival_time) * before +
                (at.memory + at.busy) * room +
                at.away * (self.c.host_bytes + room - self.problem.waiting[at.last]))

    def offer_beside_short_steps(self):
        """What is left beside a step that asks for short_bytes and lacks an own block of own_bytes.
        So many are on the device beside any step; else a large block is being read, or none."""
        p, c = self.problem, self.c
        own = [[size for size in sizes if size >= c.own_bytes] for sizes in p.own]
        asking = [t for t in range(self.n) if c.short_bytes <=
                  p.footprint[t] + p.waiting[t] - sum(p.own[t]) + min(own[t], default=0)]
        kept = list(accumulate(sorted(sum(own[t]) for t in asking if own[t])))
        beside = max(p.footprint[t] - sum(own[t]) for t in range(self.n))
        n_short = len(asking) - bisect(kept, c.device_bytes - beside)
        need(n_short > 0, 'no step that lacks a block asks for so much')
        idle = c.large * n_short * min(p.steps[t][0] for t in asking)
        return (c.short * (c.device_bytes + c.host_bytes - c.short_bytes) -
                min(c.short * c.large_bytes, idle))

    def inputs(self):
        """Inputs come from step 0 on, one after the other, each before the step it is due at."""
        due = sorted((tensor.touches[0], tensor.size) for tensor in self.problem.tensors
                     if tensor.kind == 'i')
        busy = gained = Fraction(0)
        for (step, size), (later, _) in zip(due, due[1:] + [(self.n, 0)]):
            busy += self.problem.link_in.ns(size)
            group = self.group_of[step]
            if later == self.n or self.group_of[later] > group:  # the last that is due in its group
                before = sum(ns for ns, _ in self.problem.steps[:step])
                gained += self.groups[group].inputs * (busy - before)
        return gained

    def bound(self):
        asked = self.inputs() + sum(self.price_of_tensor(tensor) for tensor in self.problem.tensors)
        offered = sum(map(self.offer, self.groups)) + self.c.host * self.c.host_bytes
        offered += self.c.pair * (self.c.host_bytes - 2 * self.c.large_bytes)
        offered += self.offer_beside_short_steps() if self.c.short > 0 else 0
        proven = sum(ns for ns, _ in self.problem.steps) + asked - offered
        return min(proven, self.c.period_ns) if self.c.period_ns > 0 else proven


def main():
    if len(sys.argv) != 3:
        return print(__doc__.strip(), file=sys.stderr) or 2
    try:
        problem = Problem(read(sys.argv[1], 'dms-problem', 1))
        cases = certificates(read(sys.argv[2], 'dms-certificate', 7))
        proofs = [Proof(problem, case) for case in cases]
        bound, claim = min(proof.bound() for proof in proofs), cases[0].bound_ns
    except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
        print(f'check_certificate: {type(error).__name__}: {error}', file=sys.stderr)
        return 2
    if not all(proof.no_column_lowers_it() for proof in proofs):
        return print('not proven: the prices contradict each other') or 1
    if bound < claim:
        return print(f'not proven: the prices give {float(bound):.0f}, {claim} are claimed') or 1
    print(f'proven: no schedule within {cases[0].device_bytes} bytes has a period '
          f'below {claim} ns (the prices give {float(bound):.3f})')
    return 0


if __name__ == '__main__':
    sys.exit(main())
