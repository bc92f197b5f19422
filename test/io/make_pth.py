"""Files for pth.test.ts, and PyTorch's word on ours. Needs PyTorch (Debian: python3-torch) and no other package.

    make_pth.py make DIR       writes *.pth, and beside each the same tensors as NAME.safetensors
    make_pth.py check FILE     loads a safetensors file of the network in that test, strictly, and prints its output
"""

import collections
import json
import os
import struct
import sys
import zipfile

import torch
from torch import nn

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
}


def save_safetensors(path, tensors):
    """Values as the reader gives them: 16-bit floats widened, bools as bytes."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        if tensor.dtype == torch.bool:
            tensor = tensor.to(torch.uint8)
        raw = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist()) if tensor.numel() else b""
        place = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def load_safetensors(path):
    types = {name: dtype for dtype, name in DTYPES.items()}
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(bytearray(data[begin:end]), dtype=types[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def every_kind():
    numbers = torch.tensor([0.0, -0.0, 1.5, -2.25, 65504.0, 6e-8, float("inf"), float("nan"), 1 / 3, 1e-40])
    halves = torch.arange(-32768, 32768, 257, dtype=torch.int16)
    whole = torch.tensor([0, 1, -1, 127, -128, 5])
    plane = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = collections.OrderedDict(
        float32=numbers,
        float64=numbers.double() / 3,
        float16=halves.clone().view(torch.float16),
        bfloat16=halves.clone().view(torch.bfloat16),
        int64=whole * 2**40,
        int32=(whole * 2**20).int(),
        int16=(whole * 200).short(),
        int8=whole.to(torch.int8),
        uint8=(whole.abs() + 100).to(torch.uint8),
        bool=whole > 0,
        scalar=torch.tensor(7),
        empty=torch.zeros(0, 3),
        transposed=plane.t(),
        row=plane[2],
        every_second=plane[1::2, ::3],
        expanded=torch.tensor([[1.0], [2.0]]).expand(2, 3),
        shared=plane,
        channels_last=torch.arange(48.0).reshape(2, 2, 3, 4).to(memory_format=torch.channels_last),
        transposed_half=torch.arange(6).half().reshape(2, 3).t(),
        parameter=nn.Parameter(torch.tensor([3.0, 4.0])),
    )
    tensors["a name with ä, 日本"] = torch.tensor([1.0])
    return tensors


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, (3, 2)), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False))


def training_checkpoint():
    """As the official code saves one in training: its model in DataParallel, epochs and the optimiser beside."""
    net = network().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    net(torch.randn(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    model = nn.Module()
    model.module = net
    plain = {"cur_epoch": 3, "cur_iter": 2**40, "score": 0.5, "names": ("a", [None, True, b"bytes"])}
    objects = {"device": torch.device("cpu"), "size": torch.Size([2, 3]), "dtype": torch.float16}
    states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    return {**plain, **objects, **states}, net.state_dict()


def make(folder):
    def save(name, value, tensors, **options):
        torch.save(value, os.path.join(folder, name + ".pth"), **options)
        save_safetensors(os.path.join(folder, name + ".safetensors"), tensors)

    kinds = every_kind()
    save("zip", kinds, kinds)
    save("zip_protocol4", {"state_dict": dict(kinds)}, kinds, pickle_protocol=4)
    save("legacy", kinds, kinds, _use_new_zipfile_serialization=False)
    save("legacy_protocol4", kinds, kinds, _use_new_zipfile_serialization=False, pickle_protocol=4)
    checkpoint, state = training_checkpoint()
    save("training", checkpoint, state)
    save("training_legacy", checkpoint, state, _use_new_zipfile_serialization=False)
    save("module", network(), {})  # whole modules are refused
    with zipfile.ZipFile(os.path.join(folder, "zip.pth")) as stored:
        with zipfile.ZipFile(os.path.join(folder, "deflated.pth"), "w", zipfile.ZIP_DEFLATED) as packed:
            for entry in stored.namelist():
                packed.writestr(entry, stored.read(entry))
    save_safetensors(os.path.join(folder, "deflated.safetensors"), kinds)


def check(path):
    net = network().eval()
    net.load_state_dict(load_safetensors(path), strict=True)
    kinds = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in load_safetensors(path).items()}
    image = torch.sin(torch.arange(2 * 3 * 5 * 4, dtype=torch.float32)).reshape(2, 3, 5, 4)
    print(json.dumps({"kinds": kinds, "output": net(image).reshape(-1).tolist()}))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2])
