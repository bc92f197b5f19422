/** Every kernel that trains or evaluates a network is run by a row of the bench. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { workloads } from "../../bench/sets.ts";
import { stepConfig, syntheticBatch } from "../../bench/step.ts";
import { prepare } from "../../bench/workload.ts";
import type { Config } from "../../src/config/config.ts";
import { addConfusion } from "../../src/ops/confusion.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { predictClasses } from "../../src/train/inference.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { checkDevice, sharedDevice } from "../support/gpu.ts";

/** Notes which kernels it is asked to run, and runs none: what nothing has written is not read either. */
class Listing extends Gpu {
  readonly kernels = new Set<string>();

  override run(name: string): void {
    this.kernels.add(name);
  }
}

async function listing(): Promise<Listing> {
  const { device } = await sharedDevice();
  return new Listing({ device, kernels: kernelsOnDisk });
}

const task = { name: "tiny", preset: "tiny", n: 2, size: [128, 256] as const };
const CLASSES = 19;
const IGNORED = 255;

/** What a training step and the evaluation of an image ask for. */
async function kernelsInUse(config: Config): Promise<ReadonlySet<string>> {
  const gpu = await listing();
  const trainer = new Trainer(gpu, { config, numClasses: CLASSES, ignoreIndex: IGNORED, maxIters: 1e6 });
  const batch = syntheticBatch(task.n, task.size);
  await trainer.step(batch, config.losses.memory.startEpoch, () => {});
  await trainer.drain();
  using _arena = gpu.arena();
  const prediction = predictClasses(trainer.model.eval(), Tensor.zeros(gpu, [1, ...task.size, 3]), task.size, config.eval);
  const label = Tensor.zeros(gpu, prediction.shape, "i32");
  addConfusion(Tensor.zeros(gpu, [CLASSES, CLASSES], "u32"), prediction, label, { ignoreIndex: IGNORED });
  trainer.dispose();
  return gpu.kernels;
}

async function kernelsOfRows(): Promise<ReadonlySet<string>> {
  const gpu = await listing();
  for (const workload of workloads("small")) {
    // Products of R50 are larger than those of tiny, and have the same kernels.
    if (workload.reduced && !workload.name.startsWith("tiny")) continue;
    using _arena = gpu.arena();
    prepare(gpu, workload, workload.problem).record();
  }
  await gpu.submit();
  return gpu.kernels;
}

test("every kernel of a step and of an evaluation has a row, also with dropout, clipping, AdamW and hard examples", async () => {
  const rows = await kernelsOfRows();
  const plain = stepConfig(task);
  const regularized = stepConfig(task);
  regularized.model.dropout = 0.1;
  regularized.optim.clipGradNorm = 1;
  const hard = stepConfig(task);
  hard.optim.type = "adamw";
  hard.losses.ohem.minKept = 100;
  for (const config of [plain, regularized, hard]) {
    const used = await kernelsInUse(config);
    assert.ok(used.size > 30, `only ${used.size} kernels`);
    assert.equal([...used].filter((name) => !rows.has(name)).sort(), []);
  }
  await checkDevice();
});

test.run();
