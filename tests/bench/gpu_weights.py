"""The numbers that `dmsrun --random-weights SEED` and `--seed 0` make up (runtime/random.h), as tensors of
PyTorch: a peer's decoder has the weights, the norms and the words of the model that gpu.py runs."""

SCALE = 0.0625          # of a weight: runtime/storage_load.c
FILE = 2                # the model is file 0, its weights are file 1, and keys count from 1
PIECE = 1 << 24         # elements at a time


def signed(number):
    return number - (1 << 64) if number >> 63 else number


def hashed(key):
    """A step of splitmix64; of tensors of int64, whose products wrap."""
    def shifted(x, by):
        return (x >> by) & ((1 << (64 - by)) - 1)

    key = key + signed(0x9e3779b97f4a7c15)
    key = (key ^ shifted(key, 30)) * signed(0xbf58476d1ce4e5b9)
    key = (key ^ shifted(key, 27)) * signed(0x94d049bb133111eb)
    return key ^ shifted(key, 31)


def key_of(torch, seed, number):
    """What the keys of a file's elements, or an input's, begin with."""
    return hashed(hashed(torch.tensor(number)) ^ seed)


def fill(torch, seed, offset, dims, device):
    """A weight of bf16 that lies `offset` bytes into the only file of a model."""
    count, key = dims[0] * dims[1], key_of(torch, seed, FILE).to(device)
    out = torch.empty(count, dtype=torch.bfloat16, device=device)
    for first in range(0, count, PIECE):
        place = torch.arange(first, min(count, first + PIECE), device=device) * 2 + offset
        wide = ((hashed(key ^ place) >> 40) & 0xffffff).double() / 8388608 - 1
        bits = (wide.float() * SCALE).view(torch.int32) & -0x10000
        out[first:first + PIECE] = bits.view(torch.float32).bfloat16()
    return out.view(*dims)


def words(torch, count):
    """The ids that dmsrun makes up where it is given none."""
    return (hashed(torch.arange(count) + key_of(torch, 0, 0)) & 1)[None]


def load(torch, decoder, path, seed, device):
    """Gives a decoder of gpu_peers.py the weights of the model.onnx of hollow.py, made up there."""
    import onnx
    tensors = list(onnx.load(path, load_external_data=False).graph.initializer)
    large = iter([t for t in tensors if t.external_data])
    norms = iter([t for t in tensors if t.name.startswith('scale_')])

    def weight(module, is_turned=True):
        t = next(large)
        offset = next(int(e.value) for e in t.external_data if e.key == 'offset')
        value = fill(torch, seed, offset, list(t.dims), device)
        module.weight.data.copy_(value.T if is_turned else value)

    def norm(module):
        bits = torch.frombuffer(bytearray(next(norms).raw_data), dtype=torch.bfloat16)
        module.weight.data.copy_(bits)

    weight(decoder.embed, False)
    for layer in decoder.layers:
        for module in (layer.q, layer.k, layer.v, layer.o, layer.gate, layer.up, layer.down):
            weight(module)
        for module in layer.norms:
            norm(module)
    norm(decoder.norm)
    weight(decoder.head)
