/** Opening the device for a command that computes. */
import { describe } from "../device/capabilities.ts";
import type { OpenDevice } from "../device/open.node.ts";
import { openDeviceOrSetUp } from "../device/setup.node.ts";
import { UserError } from "../errors.ts";
import { registry } from "../ops/define.ts";
import { Gpu } from "../runtime/gpu.ts";
import { kernelsOnDisk } from "../runtime/source.node.ts";

export interface DeviceRequest {
  readonly adapter?: string;
  readonly profile: boolean;
  /** Forced kernel variants by op. */
  readonly variants: Readonly<Record<string, string>>;
}

export interface CommandDevice extends OpenDevice {
  readonly gpu: Gpu;
  /** The adapter in words. */
  readonly adapter: string;
}

/**
 * Opens a device without bounds checks in shaders, which cost a CPU adapter a fifth to a third of its speed, and sets
 * the machine up for it where needed. The command may be started anew by that: call it before doing anything else.
 */
export async function openForCommand({ adapter, profile, variants }: DeviceRequest): Promise<CommandDevice> {
  const opened = await openDeviceOrSetUp({ robustness: false, adapter, profile });
  const gpu = new Gpu({ device: opened.device, kernels: kernelsOnDisk, profile, variants });
  return { ...opened, gpu, adapter: describe(opened.info) };
}

/**
 * Reads `op=name` pairs, the values of --variant.
 *
 * @throws UserError for an op or a variant that does not exist
 */
export function parseVariants(pairs: readonly string[]): Record<string, string> {
  const choices = [...registry.values()].filter(({ variants }) => variants !== undefined);
  return Object.fromEntries(
    pairs.map((pair) => {
      const [op, name] = pair.split("=");
      const found = choices.find((choice) => choice.name === op);
      const list = choices.map((choice) => `${choice.name}=${choice.variants!.join("|")}`).join(", ");
      if (!found?.variants!.includes(name)) throw new UserError(`--variant ${pair}: expected op=name, one of ${list}`);
      return [op, name];
    }),
  );
}
