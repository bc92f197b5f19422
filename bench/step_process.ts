/** The process in which a training step is measured: started by steps.ts, with nothing compiled before it. */
import { openForCommand } from "../src/cli/device.ts";
import type { DeviceRequest } from "../src/cli/device.ts";
import { runMain } from "../src/cli/main.ts";
import { measureStep } from "./step.ts";
import type { StepTask } from "./step.ts";

export interface StepRequest {
  readonly task: StepTask;
  readonly device: DeviceRequest;
}

async function main([request]: readonly string[]): Promise<void> {
  const { task, device } = JSON.parse(request) as StepRequest;
  const { gpu, check, close } = await openForCommand(device);
  try {
    gpu.profile = null; // until the times without it are known
    const row = await measureStep(gpu, task);
    check();
    process.send!(row);
  } finally {
    close();
  }
  process.disconnect();
}

await runMain(main);
