"""What issue 10 asks of a card: gpu.py's rows against their targets, one goal per line of its table."""

LEAST_LINK = 0.95           # of the calibrated link
MOST_RESIDENT = 1.05        # of the resident time
LEAST_RESIDENT = 0.90       # of the resident throughput, for the large model
OFF = 0.10                  # of the prediction
BEYOND = 2 << 20            # bytes of a card beside the arena
FASTER = 5                  # than Accelerate

PREFILL = (8192, 16384)


def goal(name, value, target, met):
    """met None: it was not measured, and value says why."""
    return {'goal': name, 'value': value, 'target': target, 'met': met}


def missing(name, target, why):
    return goal(name, f'not measured: {why}', target, None)


def measured(rows, **wanted):
    """The rows of these values that were measured."""
    return [r for r in rows if 'median_ns' in r and all(r.get(k) == v for k, v in wanted.items())]


def why_not(rows, **wanted):
    reasons = [r['not_measured'] for r in rows
               if 'not_measured' in r and all(r.get(k) == v for k, v in wanted.items())]
    return reasons[0] if reasons else 'no such run'


def over_resident(rows, model, tokens):
    """The floor, and a goal for each budget of one model at one length; a budget below names it."""
    name = f'{model}, prefill {tokens}, floor, bytes'
    found = measured(rows, model=model, tokens=tokens, device_mem='1000%')
    goals = [goal(name, str(found[0]['floor_bytes']), 'printed', None) if found else
             missing(name, 'printed', why_not(rows, model=model, tokens=tokens))]
    for budget in ('50%', '25%', '12.5%'):
        name = f'{model}, prefill {tokens}, {budget}, of the resident time'
        found = [r for r in measured(rows, model=model, tokens=tokens, device_mem=budget)
                 if 'over_resident' in r]
        if not found:
            goals.append(missing(name, f'<= {MOST_RESIDENT}', why_not(
                rows, model=model, tokens=tokens, device_mem=budget)))
            continue
        ratio = found[0]['over_resident']
        goals.append(goal(name, f'{ratio:.3f}', f'<= {MOST_RESIDENT}', ratio <= MOST_RESIDENT))
    return goals


def of_link(rows, name, key, model, tokens):
    found = [r for r in measured(rows, model=model, tokens=tokens, device_mem='12.5%') if key in r]
    if not found:
        return missing(name, f'>= {LEAST_LINK}',
                       why_not(rows, model=model, tokens=tokens, device_mem='12.5%'))
    return goal(name, f'{found[0][key]:.3f}', f'>= {LEAST_LINK}', found[0][key] >= LEAST_LINK)


def against(rows, peers, how, tokens, budget, target, name):
    """Our time at a budget against a peer's."""
    ours = measured(rows, model=peers['model'], tokens=tokens, device_mem=budget)
    theirs = peers['times'].get((how, tokens))
    if not ours or not isinstance(theirs, int):
        return missing(name, f'>= {target}' if target else 'printed',
                       why_not(rows, tokens=tokens, device_mem=budget) if not ours else theirs)
    ratio = theirs / ours[0]['median_ns']
    return goal(name, f'{ratio:.2f} times as fast', f'>= {target}' if target else 'printed',
                ratio >= target if target else None)


def peers_of(rows, peers, lengths):
    goals = []
    for how in ('eager', 'compile'):
        goals += [against(rows, peers, how, n, '1000%', 1.0, f'resident prefill {n}, PyTorch {how}')
                  for n in lengths]
        goals.append(against(rows, peers, how, 1, '1000%', None, f'resident decode, PyTorch {how}'))
    for row in measured(rows, model=peers['model'], tokens=1, device_mem='1000%'):
        goals.append(goal('resident decode, share that the cache takes through the host',
                          f"{row['user_share']:.3f}", 'printed', None))
    for how, least in (('accelerate', FASTER), ('diffusers', 1.0)):
        for n in (2048, *lengths, 1):
            target = least if n == 2048 else 1.0
            goals.append(against(rows, peers, how, n, '12.5%', target,
                                 f"12.5 %, {'decode' if n == 1 else f'prefill {n}'}, {how}"))
    return goals


def scores(peers):
    name = f"resident prefill {peers['shortest']}, scores, of PyTorch eager's with the same weights"
    far = peers['difference']
    if not isinstance(far, float):
        return missing(name, 'printed', far)
    return goal(name, f'off by {far:.4f} of their length', 'printed', None)


def launches(rows, model):
    """What a graph of CUDA could save at most: all launches of a turn, at the calibrated cost of one."""
    goals = []
    for budget, how in (('1000%', 'resident decode'), ('12.5%', 'decode at 12.5 %')):
        name = f'{how}, share of launches, the most that CUDA graphs could save'
        found = measured(rows, model=model, tokens=1, device_mem=budget)
        goals.append(goal(name, f"{found[0]['launch_share']:.3f}", 'printed', None) if found else
                     missing(name, 'printed', why_not(rows, model=model, tokens=1, device_mem=budget)))
    return goals


def large(rows, model, lengths):
    goals = []
    for n in lengths:
        name, target = f'{model}, prefill {n}, 12.5 %, of resident throughput', f'>= {LEAST_RESIDENT}'
        found = [r for r in measured(rows, model=model, tokens=n, device_mem='12.5%')
                 if r.get('over_resident')]
        if not found:
            goals.append(missing(name, target, why_not(rows, model=model, tokens=n)))
            continue
        share = 1 / found[0]['over_resident']
        goals.append(goal(f"{name} ({found[0]['layers']} layers)", f'{share:.3f}', target,
                          share >= LEAST_RESIDENT))
    return goals


def memory(rows):
    found = [r['card'] for r in measured(rows) if r.get('card')]
    name, target = "driver's count beside arena and kernels, bytes", f'<= {BEYOND}'
    if not found:
        return [missing(name, target, 'no run on a card')]
    worst = max(c['beyond_arena_bytes'] for c in found)
    kernels = max(c['free_with_arena_bytes'] - c['free_with_kernels_bytes'] for c in found)
    taken = max(c['total_bytes'] - c['free_first_bytes'] for c in found)
    return [goal(name, str(worst), target, worst <= BEYOND),
            goal('... kernels, bytes', str(kernels), 'printed', None),
            goal('... CUDA itself and whoever else is there, bytes', str(taken), 'printed', None)]


def predictions(rows):
    found = [r['measured_over_predicted'] for r in measured(rows) if 'measured_over_predicted' in r]
    name, target = 'measured over predicted, every row', f'{1 - OFF:.2f} to {1 + OFF:.2f}'
    if not found:
        return missing(name, target, 'nothing ran')
    return goal(name, f'{min(found):.3f} to {max(found):.3f}', target,
                min(found) >= 1 - OFF and max(found) <= 1 + OFF)


def goals_of(rows, peers, large_model, lengths=PREFILL):
    """Every line of the issue's table."""
    model = peers['model']
    goals = [of_link(rows, 'copies to the card while it computes, of the calibrated link',
                     'in_of_link', model, lengths[0])]
    for n in lengths:
        goals += over_resident(rows, model, n)
    goals.append(of_link(rows, 'decode at 12.5 %, of the rate that the link allows',
                         'link_of_time', model, 1))
    goals += peers_of(rows, peers, lengths)
    goals.append(scores(peers))
    goals += launches(rows, model)
    goals += large(rows, large_model, lengths)
    goals += memory(rows)
    goals.append(predictions(rows))
    return goals


def table_of(goals):
    word = {True: 'met', False: 'MISSED', None: ''}
    return '\n'.join(['| goal | measured | target | |', '|---|---|---|---|'] +
                     [f"| {g['goal']} | {g['value']} | {g['target']} | {word[g['met']]} |"
                      for g in goals])
