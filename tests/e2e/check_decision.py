#!/usr/bin/env python3
"""check_decision.py DUMP.json: is what `dmsc --dump-problem` says was decided possible, and as fast?

Shares no code with the planner. Every gap is kept or loaded, once; loads lie inside their gap and
behind the save they need; residencies have their place, aligned, inside the device memory, and no
two share a byte in any slot of the cycle; the queues run, in the period that is claimed (not where
storage is read in the cycle). Exit code 0, or 1 and the sentence that is broken."""
import json
import sys

ALIGN = 256


class Wrong(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Wrong(what)


class Tensor:
    def __init__(self, row, n_steps):
        self.kind, self.bytes, producer, uses = row
        self.touches = [] if producer == -1 else [producer]
        for use in uses:
            first, last = use if isinstance(use, list) else (use, use)
            self.touches += range(first, last + 1)
        after = self.touches[1:] + ([self.touches[0] + n_steps] if self.kind in 'wi' else [])
        self.gaps = list(zip(self.touches, after))
        self.wraps_anew = len(self.gaps) - 1 if self.kind == 'i' else None
        run = 0
        while run + 1 < len(self.touches) and self.touches[run + 1] == self.touches[run] + 1:
            run += 1
        self.write_end = self.touches[run]

    def is_open(self, gap):
        a, b = self.gaps[gap]
        return b - a >= 2 or gap == self.wraps_anew


class Decision:
    def __init__(self, root):
        self.steps, self.plan, self.links = root['steps'], root['plan'], root['links']
        self.budgets, self.host_mem = root['budgets'], root['host_mem']
        self.is_disturbed = 'contention' in root or 'nvme' in self.plan
        self.n = len(self.steps)
        self.tensors = [Tensor(row, self.n) for row in root['tensors']]
        self.kept = {(t, g) for t, gaps in self.plan['keep'] for g in gaps}
        self.loads = {(t, g): after for t, g, after in self.plan['h2d']}
        self.saves = {t: (after, before) for t, after, before in self.plan['d2h']}
        need(len(self.loads) == len(self.plan['h2d']), 'a gap is loaded twice')
        need(len(self.saves) == len(self.plan['d2h']), 'a tensor is saved twice')

    def check_gaps(self):
        for t, tensor in enumerate(self.tensors):
            for g in range(len(tensor.gaps)):
                ways = ((t, g) in self.kept) + ((t, g) in self.loads)
                need(ways == tensor.is_open(g), f'gap {g} of tensor {t} is decided {ways} times')
        for t, g in self.kept:
            need(g != self.tensors[t].wraps_anew, f'the next input {t} cannot be there already')

    def check_budgets(self):
        """They are said in the problem, and homes on the host keep within theirs beside the ring."""
        need(self.budgets == [self.plan['device_mem']], f'the budget is not {self.budgets}')
        read = set(self.plan.get('nvme', ()))
        homes = {t for t, _ in self.loads if self.tensors[t].kind == 'w' and t not in read}
        taken = sum(self.tensors[t].bytes for t in homes) + self.plan.get('ring', 0)
        need(taken <= self.host_mem, f'{taken} bytes on the host of {self.host_mem}')

    def check_copies(self):
        for (t, g), after in self.loads.items():
            a, b = self.tensors[t].gaps[g]
            shift = b - b % self.n
            need(max(a - shift, -self.n) <= after < b - shift, f'load {t}, {g} leaves its gap')
            if g == self.tensors[t].wraps_anew:
                need(after >= -1, f'input {t} is loaded before its cycle')
            if self.tensors[t].kind in 'ao':
                need(t in self.saves, f'tensor {t} leaves unsaved')
                need(after >= self.saves[t][1] - 1 - shift, f'load {t}, {g} precedes the save')
        for t, (after, before) in self.saves.items():
            need(self.tensors[t].kind in 'ao' and after == self.tensors[t].write_end,
                 f'save {t} begins elsewhere')
            need(after < before < 2 * self.n, f'save {t} ends before it begins')
        for t, tensor in enumerate(self.tensors):
            need(tensor.kind != 'o' or t in self.saves, f'output {t} does not leave')

    def last_slot(self, t, touch, turn):
        """Of a residency that is there at touch number `touch`, in turn `turn` of it."""
        tensor = self.tensors[t]
        while touch < len(tensor.gaps) and (t, touch) not in self.loads:
            touch += 1
            if touch == len(tensor.touches):
                if tensor.kind not in 'wi':
                    break
                touch, turn = 0, turn + 1
        touch = min(touch, len(tensor.touches) - 1)
        last = tensor.touches[touch] + turn * self.n
        if t in self.saves:
            leaves = self.saves[t][1] - 1
            if (t, touch) in self.loads:
                leaves = min(leaves, tensor.gaps[touch][1] - 1)
            if touch >= 0 and last >= tensor.write_end and (
                    tensor.kind == 'o' or self.is_first_leave(t, touch)):
                last = max(last, leaves)
        return last

    def is_first_leave(self, t, touch):
        return (t, touch) in self.loads and not any((t, g) in self.loads for g in range(touch))

    def residencies(self):
        """(first slot, last slot, bottom, top, name) of all that has an address."""
        begun = {}
        for t, g, offset in self.plan['addr']:
            need((t, g) not in begun, f'residency {t}, {g} has two addresses')
            begun[t, g] = offset
        for (t, g), after in self.loads.items():
            need((t, g) in begun, f'load {t}, {g} has no address')
        for (t, g), offset in begun.items():
            tensor = self.tensors[t]
            if g == -1 and tensor.kind == 'w':
                need(not any((t, k) in self.loads for k in range(len(tensor.gaps))),
                     f'weight {t} is loaded and there from the start')
                first, last = 0, self.n - 1
            elif g == -1:
                first, last = tensor.touches[0], self.last_slot(t, 0, 0)
            else:
                need((t, g) in self.loads, f'residency {t}, {g} begins with no load')
                due = (g + 1) % len(tensor.touches)
                first, last = self.loads[t, g] + 1, self.last_slot(t, due, 0)
            yield first, last, offset, offset + -(-tensor.bytes // ALIGN) * ALIGN, f'{t}, {g}'
        for step, offset in self.plan['scratch']:
            size = -(-self.steps[step][1] // ALIGN) * ALIGN
            yield step, step, offset, offset + size, f'scratch of {step}'
        need(len(self.plan['scratch']) == sum(s[1] > 0 for s in self.steps), 'scratch is missing')
        for t, tensor in enumerate(self.tensors):
            loads = [g for g in range(len(tensor.gaps)) if (t, g) in self.loads]
            if tensor.kind in 'ao' or not loads:
                need((t, -1) in begun, f'tensor {t} has no place')

    def check_addresses(self):
        slots = [[] for _ in range(self.n)]
        for first, last, bottom, top, name in self.residencies():
            need(bottom % ALIGN == 0 and 0 <= bottom, f'{name} is not aligned')
            need(top <= self.plan['device_mem'], f'{name} lies outside the device memory')
            need(last - first < self.n, f'{name} stays longer than a cycle')
            for slot in range(first, last + 1):
                slots[slot % self.n].append((bottom, top, name))
        for slot, there in enumerate(slots):
            there.sort()
            for (_, top, one), (bottom, _, other) in zip(there, there[1:]):
                need(bottom >= top, f'{one} and {other} share bytes in slot {slot}')

    def period(self, turns=24):
        """Mean of the last two turns."""
        def ns(link, size):
            rate, latency = self.links[link]
            return latency + -(-size * 10**9 // rate)
        n, queue = self.n, self.plan['h2d']
        due = [self.tensors[t].gaps[g][1] % n for t, g, _ in queue]
        opens, ends, saved = {}, {}, {}
        link_in = link_out = time = 0
        done = []
        for turn in range(turns):
            for step in range(n):
                now = turn * n + step
                for t, (_, before) in self.saves.items():
                    time = max(time, saved.get((t, now - before), 0))
                opens[now] = time
                need_place = max((q for q, d in enumerate(due) if d == step), default=-1)
                while need_place >= 0 and len(done) <= turn * len(queue) + need_place:
                    t, _, after = queue[len(done) % len(queue)]
                    slot = len(done) // len(queue) * n + after + 1
                    need(slot <= now, f'the load of {t} waits for itself')
                    link_in = max(link_in, opens.get(slot, 0)) + ns('h2d', self.tensors[t].bytes)
                    done.append(link_in)
                if need_place >= 0:
                    time = max(time, done[turn * len(queue) + need_place])
                time += self.steps[step][0]
                ends[now] = time
                for t, after, _ in self.plan['d2h']:
                    if after == step:
                        link_out = max(link_out, time) + ns('d2h', self.tensors[t].bytes)
                        saved[t, turn * n] = link_out
        return (ends[turns * n - 1] - ends[(turns - 2) * n - 1] + 1) // 2

    def check(self):
        self.check_gaps()
        self.check_budgets()
        self.check_copies()
        self.check_addresses()
        if not self.is_disturbed:
            found, said = self.period(), self.plan['period_ns']
            need(abs(found - said) <= 1 + said // 10000, f'the period is {found}, not {said} ns')


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        decision = Decision(json.load(file))
    try:
        decision.check()
    except Wrong as wrong:
        print(f'wrong: {wrong}')
        return 1
    print(f'possible, and {decision.plan["period_ns"]} ns a turn')
    return 0


if __name__ == '__main__':
    sys.exit(main())
