import { UserError } from "../errors.ts";
import { reportAdapter, type AdapterReport } from "./capabilities.ts";
import { deviceDescriptor } from "./request.ts";
import { watchDevice } from "./watch.ts";

/** How to open a device. Without any of it: the fastest adapter, with bounds checks. */
export interface OpenOptions {
  /** Bounds checks in shaders. False removes them: faster, and a kernel's stray access is then undefined behaviour. */
  robustness?: boolean;
  /** Further Dawn toggles by name; a leading "-" switches one off. Dawn ignores names that it does not know. */
  toggles?: string[];
  /** Part of an adapter's name, as listed in the error for a name that does not exist. Default: the fastest one. */
  adapter?: string;
  /** Timestamps for per-dispatch times, not rounded. Only on demand: some drivers stall once they are in use. */
  profile?: boolean;
}

/** A device, and what belongs to whoever opened it. */
export interface OpenDevice {
  device: GPUDevice;
  info: AdapterReport;
  /** Throws if the device is lost, or with the errors it has reported since the last call. */
  check(): void;
  /**
   * Destroys the device so that the process can end by itself; later use of it throws a DeviceLostError.
   * Throws at last what `check` would throw, so that no error goes unseen. A second call does nothing.
   */
  close(): void;
}

/** Dawn found no WebGPU adapter at all on this machine. */
export class NoAdapterError extends UserError {
  override name = "NoAdapterError";
}

/** Dawn hides subgroup matrices without the first and f16 on NVIDIA without the second. */
const UNLOCKING_TOGGLES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"];

/** Dawn crashes when this object is collected before its device, whoever still holds the device: kept until `close`. */
const instances = new Set<GPU>();

/**
 * Opens a device on Dawn, in Node, with every useful feature and all the limits its adapter has.
 *
 * @throws NoAdapterError where there is no adapter; UserError where Dawn, the named adapter or timestamps are missing
 */
export async function openDevice(options: OpenOptions = {}): Promise<OpenDevice> {
  const dawn = await loadDawn();
  // Browsers have GPUBufferUsage, GPUMapMode and their like as globals; portable code above this file counts on them.
  Object.assign(globalThis, dawn.globals);
  // Dawn lives as long as this object and works for the process to end only without it: `close` lets it go.
  let gpu: GPU | undefined = dawn.create(dawnFlags(options));
  const adapter = await findAdapter(gpu, options.adapter);
  const info = reportAdapter(adapter.info, adapter.features);

  if (options.profile && !adapter.features.has("timestamp-query")) {
    throw new UserError(`${info.description} has no timestamps: run without profiling, or on another adapter.`);
  }
  const device = await adapter.requestDevice(deviceDescriptor(adapter, options.profile ? ["timestamp-query"] : []));
  const watch = watchDevice(device);
  instances.add(gpu);

  return {
    device,
    info,
    check: watch.check,
    close() {
      if (!instances.delete(gpu)) return;
      try {
        watch.check();
      } finally {
        watch.retire("the GPU device is closed: open another one to go on.");
        device.destroy();
      }
    },
  };
}

/** What is used of the npm package webgpu, whose own types are not there for projects that do without it. */
interface Dawn {
  /** @param flags such as `adapter=llvmpipe` */
  create(flags: string[]): GPU;
  /** GPUBufferUsage and its like. */
  readonly globals: object;
}

/** A dynamic import, since the native module does not exist for every system, and that deserves a clear error. */
export async function loadDawn(): Promise<Dawn> {
  try {
    return await import("webgpu");
  } catch (error) {
    const { platform, arch } = process;
    const reason = (error as Error).message.replace(/ imported from .*/, "");
    throw new UserError(
      `Dawn, WebGPU for Node, could not be loaded on ${platform}-${arch}: ${reason}. ` +
        'The npm package "webgpu" has builds for Linux with glibc, macOS and Windows; where it is missing, ' +
        "`npm install webgpu` brings it.",
    );
  }
}

function dawnFlags({ robustness = true, toggles = [], adapter, profile = false }: OpenOptions): string[] {
  const on = [...UNLOCKING_TOGGLES, ...toggles.filter((toggle) => !toggle.startsWith("-"))];
  const off = toggles.filter((toggle) => toggle.startsWith("-")).map((toggle) => toggle.slice(1));
  if (!robustness) on.push("disable_robustness");
  if (profile) off.push("timestamp_quantization");
  const flags = [`enable-dawn-features=${on.join(",")}`];
  if (off.length > 0) flags.push(`disable-dawn-features=${off.join(",")}`);
  if (adapter !== undefined) flags.push(`adapter=${adapter}`);
  return flags;
}

async function findAdapter(gpu: GPU, name: string | undefined): Promise<GPUAdapter> {
  let adapter: GPUAdapter | null = null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch (error) {
    // Dawn's message lists the adapters there are.
    throw new UserError(`adapter ${JSON.stringify(name)} was not found. ${(error as Error).message}`);
  }
  if (adapter === null) {
    throw new NoAdapterError(
      "no WebGPU adapter was found. Install a driver for this machine's GPU (Vulkan on Linux); on Linux without " +
        "a GPU, Mesa's software driver will do: packages mesa-vulkan-drivers (Mesa 23 or newer) and libvulkan1.",
    );
  }
  return adapter;
}
