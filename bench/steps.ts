/** The training steps to measure, each in a process of its own. */
import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DeviceRequest } from "../src/cli/device.ts";
import type { SetName } from "./sets.ts";
import type { StepRow, StepTask } from "./step.ts";
import type { StepRequest } from "./step_process.ts";

const R50 = { name: "r50", preset: "mcibi_deeplabv3_resnet50os8_cityscapes", n: 2 } as const;

const TASKS: Readonly<Record<SetName, readonly StepTask[]>> = {
  // The smallest batch and crop that batch normalisation of pooled maps and the strides allow.
  small: [
    { name: "tiny", preset: "tiny", n: 2, size: [128, 256] },
    { ...R50, size: [32, 64] },
  ],
  full: [{ ...R50, size: [512, 1024] }],
};

/** With recomputation under names of their own, since times and memory do not compare with those of the others. */
export function stepTasks(set: SetName, recompute: boolean): readonly StepTask[] {
  return TASKS[set].map((task) => (recompute ? { ...task, name: `${task.name}-recompute`, recompute } : task));
}

const SCRIPT = fileURLToPath(new URL("step_process.ts", import.meta.url));

/** Where drivers keep compiled kernels from one process to the next: Mesa's, NVIDIA's. */
const CACHES = ["MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH"];

/**
 * Measures one step from a cold start, in a process for which the drivers' caches are empty.
 *
 * @throws Error when the process fails; what it had to say is on stderr by then
 */
export async function runStep(task: StepTask, device: DeviceRequest): Promise<StepRow> {
  const cache = await mkdtemp(join(tmpdir(), "mcibi-bench-"));
  try {
    return await runProcess({ task, device }, Object.fromEntries(CACHES.map((name) => [name, cache])));
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

function runProcess(request: StepRequest, environment: Readonly<Record<string, string>>): Promise<StepRow> {
  const child = fork(SCRIPT, [JSON.stringify(request)], { env: { ...process.env, ...environment } });
  return new Promise((resolve, reject) => {
    child.on("message", (row) => resolve(row as StepRow));
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      reject(new Error(`${request.task.name}: the process of the training step ended with ${signal ?? `code ${code}`}`));
    });
  });
}
