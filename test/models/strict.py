"""PyTorch's word on the weights of a whole network. Needs PyTorch (Debian: python3-torch) and no other package.

    strict.py FOLDER     loads FOLDER/ours.safetensors, MCIBI on OCR as in test/fixtures/hosts, strictly; writes theirs.pth
                         and theirs_legacy.pth, other weights for it; prints shapes and types of ours, and the logits of both
"""

import json
import sys
from pathlib import Path

import torch

sys.dont_write_bytecode = True
TESTS = Path(__file__).parent.parent
sys.path += [str(TESTS / "io"), str(TESTS / "fixtures" / "backbones"), str(TESTS / "fixtures" / "hosts")]
from make_pth import load_safetensors  # noqa: E402


def hosts():
    """The module of the hosts: both folders call theirs generate."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("hosts", TESTS / "fixtures" / "hosts" / "generate.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def logits(net):
    image = torch.sin(torch.arange(2 * 3 * 26 * 18, dtype=torch.float64)).float().reshape(2, 3, 26, 18)
    with torch.no_grad():
        return net.eval()(image)[0].flatten().tolist()


def main(folder):
    torch.manual_seed(0)
    net = hosts().Mcibi("ocr")
    ours = load_safetensors(folder / "ours.safetensors")
    net.load_state_dict(ours, strict=True)
    result = {"kinds": {name: [str(x.dtype), list(x.shape)] for name, x in ours.items()}, "ours": logits(net)}
    other = {name: x if x.dtype == torch.int64 else torch.rand_like(x) + 0.1 for name, x in ours.items()}
    net.load_state_dict(other)
    torch.save({"model": net.state_dict()}, folder / "theirs.pth")
    older = {"state_dict": {f"module.{name}": x for name, x in net.state_dict().items()}}
    torch.save(older, folder / "theirs_legacy.pth", _use_new_zipfile_serialization=False)
    print(json.dumps({**result, "theirs": logits(net)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
