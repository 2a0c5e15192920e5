"""usage: gpu_peers.py HOW --layers L --width W --heads H --groups G --inner I --vocab V --model FILE
    [--tokens N] [--past P] [--repeats 5] [--scores FILE] [--device cuda|cpu]

A Llama-2-shaped decoder of PyTorch in bf16 on the card, with the weights that `dmsrun --random-weights
1` makes up for the model.onnx of gpu.py, by scaled_dot_product_attention; prints the median time of a
run in ns. HOW: eager, compile (torch.compile), accelerate (cpu_offload of Hugging Face Accelerate),
diffusers (group offloading of single layers with streams). --scores writes what comes out, as .npy of
f32. Exit code 3 and a line that says why where something is not installed or does not run. --device
cpu tries this program out where there is no card: no streams, and no time of it tells anything."""
import argparse
import statistics
import sys
import time

from gpu_weights import load, words

HOWS = ('eager', 'compile', 'accelerate', 'diffusers')


def model_of(torch, a):
    """The decoder as modules whose weights can be moved one by one."""
    nn, f = torch.nn, torch.nn.functional
    head = a.width // a.heads

    def linear(i, o):
        return nn.Linear(i, o, bias=False, dtype=torch.bfloat16)

    def rotate(x, cos, sin):
        half = head // 2
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(nn.RMSNorm(a.width, 1e-6, dtype=torch.bfloat16)
                                       for _ in range(2))
            self.q, self.o = linear(a.width, a.width), linear(a.width, a.width)
            self.k, self.v = (linear(a.width, a.groups * head) for _ in range(2))
            self.gate, self.up = linear(a.width, a.inner), linear(a.width, a.inner)
            self.down = linear(a.inner, a.width)

        def forward(self, x, cos, sin, past):
            b, n, _ = x.shape
            y = self.norms[0](x)
            q = rotate(self.q(y).view(b, n, a.heads, head).transpose(1, 2), cos, sin)
            k = rotate(self.k(y).view(b, n, a.groups, head).transpose(1, 2), cos, sin)
            v = self.v(y).view(b, n, a.groups, head).transpose(1, 2)
            if past is not None:
                k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
            y = f.scaled_dot_product_attention(q, k, v, is_causal=n > 1, enable_gqa=True)
            x = x + self.o(y.transpose(1, 2).reshape(b, n, a.width))
            y = self.norms[1](x)
            return x + self.down(f.silu(self.gate(y)) * self.up(y))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(a.vocab, a.width, dtype=torch.bfloat16)
            self.layers = nn.ModuleList(Layer() for _ in range(a.layers))
            self.norm = nn.RMSNorm(a.width, 1e-6, dtype=torch.bfloat16)
            self.head = linear(a.width, a.vocab)

        def forward(self, ids, cos, sin, past):
            x = self.embed(ids)
            for k, layer in enumerate(self.layers):
                x = layer(x, cos, sin, None if past is None else past[k])
            return self.head(self.norm(x))

    with torch.device('meta'):
        decoder = Decoder()
    return decoder.to_empty(device='cpu').eval().requires_grad_(False)


def inputs_of(torch, a, device):
    head = a.width // a.heads
    ids = words(torch, a.tokens).to(device)
    at = torch.arange(a.past, a.past + a.tokens, device=device, dtype=torch.float32)
    rates = 10000.0 ** (-torch.arange(0, head, 2, device=device) / head)
    angle = torch.outer(at, rates).repeat(1, 2)
    past = None
    if a.past:
        shape = (2, 1, a.groups, a.past, head)
        past = [torch.randn(shape, device=device, dtype=torch.bfloat16) for _ in range(a.layers)]
    return ids, angle.cos().bfloat16(), angle.sin().bfloat16(), past


def placed(torch, how, model, device):
    """The model, its weights where HOW keeps them."""
    if how == 'accelerate':
        from accelerate import cpu_offload
        return cpu_offload(model, execution_device=device)
    if how == 'diffusers':
        from diffusers.hooks import apply_group_offloading
        apply_group_offloading(model, onload_device=device, offload_device=torch.device('cpu'),
                               offload_type='leaf_level', use_stream=device.type == 'cuda')
        return model
    model = model.to(device)
    return torch.compile(model) if how == 'compile' else model


def measure(torch, a):
    device = torch.device(a.device)
    wait = torch.cuda.synchronize if device.type == 'cuda' else lambda: None
    decoder, times = model_of(torch, a), []
    load(torch, decoder, a.model, 1, device)
    model, given = placed(torch, a.how, decoder, device), inputs_of(torch, a, device)
    with torch.inference_mode():
        for k in range(a.repeats + 3):
            wait()
            begin = time.perf_counter_ns()
            scores = model(*given)
            wait()
            if k >= 3:
                times.append(time.perf_counter_ns() - begin)
    if a.scores:
        import numpy as np
        np.save(a.scores, scores.float().cpu().numpy())
    return int(statistics.median(times))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('how', choices=HOWS)
    for name in ('layers', 'width', 'heads', 'groups', 'inner', 'vocab'):
        parser.add_argument(f'--{name}', type=int, required=True)
    for name, value in (('tokens', 2048), ('past', 0), ('repeats', 5)):
        parser.add_argument(f'--{name}', type=int, default=value)
    parser.add_argument('--model', required=True)
    parser.add_argument('--scores')
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda')
    a = parser.parse_args()
    try:
        import torch
        if a.device == 'cuda' and not torch.cuda.is_available():
            print('PyTorch sees no card')
            return 3
        print(measure(torch, a))
    except ImportError as why:
        print(f'{why.name} is not installed')
        return 3
    except Exception as why:  # pylint: disable=broad-except; a peer's failure is a row of the table
        print(f'{a.how}: {str(why).strip().splitlines()[0] if str(why).strip() else type(why)}')
        return 3
    return 0


if __name__ == '__main__':
    sys.exit(main())
