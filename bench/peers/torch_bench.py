"""Times convolutions and matrix products in eager PyTorch: f32 without TF32, on CUDA where it is, else on the CPU.

    python3 bench/peers/torch_bench.py ROWS.json > torch.json

ROWS.json is what `npm run bench -- --json` or `npm run bench:peers -- --json` wrote; the result is what
`npm run bench:peers -- --torch torch.json` reads. The clock is that of bench/clock.ts: wall time of at least 20 ms of
repetitions, of which the fastest of several samples counts.
"""

import json
import sys
import time

import torch
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input, conv2d_weight

LEAST_SECONDS = 0.02
SAMPLES = 5


def convolution(row, device):
    s = row["shape"]
    x = torch.rand(s["n"], s["inChannels"], s["h"], s["w"], device=device)
    w = torch.rand(s["outChannels"], s["inChannels"] // s["groups"], *s["kernel"], device=device)
    options = {name: s[name] for name in ("stride", "padding", "dilation", "groups")}
    if row["pass"] == "forward":
        return lambda: conv2d(x, w, None, **options)
    dy = torch.rand_like(conv2d(x, w, None, **options))
    if row["pass"] == "backwardInput":
        return lambda: conv2d_input(x.shape, w, dy, **options)
    return lambda: conv2d_weight(x, w.shape, dy, **options)


def product(row, device):
    s = row["shape"]

    def matrix(height, width, transposed):
        size = (width, height) if transposed else (height, width)
        values = torch.rand(s["batch"], *size, device=device)
        return values.mT if transposed else values

    a = matrix(s["m"], s["k"], s["transposeA"])
    b = matrix(s["k"], s["n"], s["transposeB"])
    if row["pass"] == "forward":
        return lambda: a @ b
    dy = torch.rand(s["batch"], s["m"], s["n"], device=device)
    if row["pass"] == "backwardInput":
        return lambda: dy @ b.mT
    return lambda: a.mT @ dy


def milliseconds(run, synchronize):
    def sample(repetitions):
        synchronize()
        began = time.perf_counter()
        for _ in range(repetitions):
            run()
        synchronize()
        return time.perf_counter() - began

    sample(1)
    repetitions = 1
    while sample(repetitions) < LEAST_SECONDS:
        repetitions *= 2
    return 1000 * min(sample(repetitions) for _ in range(SAMPLES)) / repetitions


@torch.no_grad()
def main(path):
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    on_cuda = torch.cuda.is_available()
    device = "cuda" if on_cuda else "cpu"
    synchronize = torch.cuda.synchronize if on_cuda else lambda: None
    passes = {"conv2d": convolution, "matmul": product}
    with open(path, encoding="utf-8") as file:
        rows = [row for row in json.load(file)["rows"] if row["op"] in passes]
    timed = []
    for row in rows:
        run = passes[row["op"]](row, device)
        timed.append({name: row[name] for name in ("name", "op", "pass")} | {"ms": milliseconds(run, synchronize)})
    name = torch.cuda.get_device_name() if on_cuda else "CPU"
    json.dump({"device": name, "torch": torch.__version__, "rows": timed}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
