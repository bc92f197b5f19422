/** A whole network's weights go to PyTorch and come from it: strictly loaded, and the same logits on both sides. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { noGrad } from "../../src/autograd/tape.ts";
import { parseSafetensors, serializeSafetensors } from "../../src/io/safetensors.ts";
import { parseStateFile } from "../../src/io/state_file.node.ts";
import { buildNetwork } from "../../src/models/network.ts";
import type { NetworkOptions } from "../../src/models/network.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { channelsLast } from "../../src/verify/layout.ts";
import { assertClose } from "../support/compare.ts";
import { testGpu } from "../support/gpu.ts";
import { runPython, torchVersion } from "../support/python.ts";
import { TemporaryFolder } from "../support/tiny_run.ts";

const SCRIPT = fileURLToPath(new URL("strict.py", import.meta.url));
const FIXTURE = new URL("../fixtures/hosts/mcibi_ocr.safetensors", import.meta.url);

/** Those of the network that the script builds. */
function networkOptions(): NetworkOptions {
  const [{ params }] = JSON.parse(parseSafetensors(readFileSync(FIXTURE)).metadata.cases);
  return params.options;
}

if (!torchVersion) console.log("skipped: whole networks to and from PyTorch (no python3 here has torch)");

(torchVersion ? test : test.skip)("MCIBI's weights, ours in PyTorch and PyTorch's here", async () => {
  using temporary = new TemporaryFolder();
  const gpu = await testGpu();
  using _ = gpu.arena();
  const model = buildNetwork(networkOptions(), new RandomState(0)).initialize(gpu, 3);
  const image = Float32Array.from({ length: 2 * 3 * 26 * 18 }, (_, i) => Math.sin(i));
  const { shape, data } = channelsLast.into({ shape: [2, 3, 26, 18], data: image });
  const forward = () => noGrad(() => model.forward(Tensor.from(gpu, data, shape)).logits);
  forward(); // in training, so that the running statistics are not those of the beginning
  model.eval();
  const state = await model.stateDict();
  const memory = state.get("memory_module.memory")!;
  const rows = Float32Array.from({ length: memory.data.length }, (_, i) => Math.cos(i) ** 2);
  state.set("memory_module.memory", { ...memory, data: rows });
  model.loadStateDict(state);
  writeFileSync(temporary.join("ours.safetensors"), serializeSafetensors(state));
  const { kinds, ours, theirs } = JSON.parse(runPython(SCRIPT, temporary.path));
  assert.equal(kinds["memory_module.memory"], ["torch.float32", [3, 1, 4]]);
  assert.equal(kinds["bottleneck.1.num_batches_tracked"], ["torch.int64", []]);
  const check = async (what: string, wanted: readonly number[]): Promise<void> => {
    const logits = forward();
    const found = channelsLast.from({ shape: logits.shape, data: await logits.data() });
    assertClose(what, found.data, wanted, found.shape, { rtol: 1e-4, atol: 1e-5 });
  };
  await check("our weights", ours);
  for (const name of ["theirs.pth", "theirs_legacy.pth"]) {
    const { tensors } = parseStateFile(readFileSync(temporary.join(name)), name);
    assert.equal(model.loadStateDict(tensors), { missing: [], unexpected: [] });
    await check(name, theirs);
  }
  model.dispose();
});

test.run();
