/** Work was given to a device that is closed or lost, which WebGPU itself would swallow without a word. */
export class DeviceLostError extends Error {
  override name = "DeviceLostError";
}

/** The device reported validation, memory or internal errors that no call returned. */
export class DeviceError extends Error {
  override name = "DeviceError";
}

/** What `watchDevice` has seen, and an end to the device. */
export interface DeviceWatch {
  /** Throws a DeviceLostError if the device is gone, else a DeviceError with what was reported since the last call. */
  check(): void;
  /** From now on every use of the device fails with a DeviceLostError giving this reason. */
  retire(reason: string): void;
}

/** A long run of the same mistake must not fill memory; the first messages are the ones that explain it. */
const KEPT_ERRORS = 8;

const DEVICE_CALLS = [
  "createBuffer", "createTexture", "createShaderModule", "createBindGroupLayout", "createPipelineLayout",
  "createBindGroup", "createComputePipeline", "createCommandEncoder", "createQuerySet", "pushErrorScope",
] as const;
const DEVICE_PROMISES = ["createComputePipelineAsync", "popErrorScope"] as const;
const QUEUE_CALLS = ["submit", "writeBuffer"] as const;
const QUEUE_PROMISES = ["onSubmittedWorkDone"] as const;

/** Collects the device's uncaptured errors, and turns the silence after its loss into a clear error. */
export function watchDevice(device: GPUDevice): DeviceWatch {
  let messages: string[] = [];
  let count = 0;
  let gone: string | undefined;

  device.addEventListener("uncapturederror", (event) => {
    // Without this Dawn prints the message as well.
    event.preventDefault();
    count += 1;
    if (messages.length < KEPT_ERRORS) messages.push(event.error.message);
  });

  function retire(reason: string): void {
    if (gone !== undefined) return;
    gone = reason;
    const fail = (): never => {
      throw new DeviceLostError(reason);
    };
    const reject = (): Promise<never> => Promise.reject(new DeviceLostError(reason));
    replace(device, DEVICE_CALLS, fail);
    replace(device, DEVICE_PROMISES, reject);
    replace(device.queue, QUEUE_CALLS, fail);
    replace(device.queue, QUEUE_PROMISES, reject);
  }

  void device.lost.then(({ reason, message }) => {
    retire(`the GPU device was lost (${reason}): ${message}. Start again; a training run resumes from its checkpoint.`);
  });

  return {
    retire,
    check() {
      if (gone !== undefined) throw new DeviceLostError(gone);
      if (count === 0) return;
      const unseen = count - messages.length;
      const text = messages.join("\n") + (unseen > 0 ? `\n(and ${unseen} more)` : "");
      messages = [];
      count = 0;
      throw new DeviceError(text);
    },
  };
}

function replace(target: object, names: readonly string[], value: () => unknown): void {
  for (const name of names) Object.defineProperty(target, name, { value, configurable: true });
}
