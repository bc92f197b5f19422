/** What this machine is like, as far as it decides whether and how fast kernels run on it. Changes nothing. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { AdapterReport } from "./capabilities.ts";
import { loadDawn, openDevice } from "./open.node.ts";
import type { OpenDevice } from "./open.node.ts";
import { installationLines } from "./setup.node.ts";

export interface Facts {
  /** As Node names them. */
  readonly platform: string;
  readonly arch: string;
  readonly node: string;
  /** CPU cores that this process may use. */
  readonly cores: number;
  /** Version of glibc on Linux; null where there is another C library, or none is looked for. */
  readonly glibc: string | null;
  /** Version of the npm package `webgpu`; null where it is not installed. */
  readonly dawn: string | null;
  /** Why Dawn could not be loaded. */
  readonly dawnProblem: string | null;
  /** Every adapter that Dawn finds. */
  readonly adapters: readonly { readonly backend: string; readonly name: string }[];
  /** The one that commands use, what is between it and Dawn, such as "vulkan", and its limits. */
  readonly adapter: AdapterReport | null;
  readonly backend: string | null;
  readonly limits: Readonly<Record<string, number>>;
  /** Why no device could be opened on it. */
  readonly deviceProblem: string | null;
  /** Makers of the graphics cards that Linux sees. */
  readonly cards: readonly string[];
  /** Manifests of Vulkan drivers on Linux. */
  readonly vulkanDrivers: readonly string[];
  readonly hasRenderNodes: boolean;
  /** Environment variables that change which drivers are seen, or what they do. */
  readonly environment: Readonly<Record<string, string>>;
  /** What a root shell would have to run for a software driver; null where that is not known. */
  readonly installation: string | null;
}

/** Numbers of PCI vendors, https://pci-ids.ucw.cz. */
const MAKERS: Readonly<Record<string, string>> = { "0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel" };
const DRIVER_FOLDERS = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"] as const;
const VARIABLES = [
  ...["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_DISABLE", "NVIDIA_DRIVER_CAPABILITIES"],
  ...["NVIDIA_VISIBLE_DEVICES", "LP_NUM_THREADS"],
] as const;
/** No adapter has this name: Dawn then lists those that there are. */
const NOBODY = "name of no adapter";

/**
 * @returns besides the facts, the device, for a trial; null where there is none. To be closed
 * @throws UserError where there are adapters, and none of the name that is asked for
 */
export async function gatherFacts(adapterName?: string): Promise<{ facts: Facts; opened: OpenDevice | null }> {
  const { platform, arch, versions, env } = process;
  const machine = { platform, arch, node: versions.node, cores: availableParallelism(), glibc: glibcVersion() };
  const given = VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  const isLinux = platform === "linux";
  const system = {
    ...{ cards: isLinux ? graphicsCards() : [], vulkanDrivers: isLinux ? vulkanDrivers() : [] },
    ...{ hasRenderNodes: existsSync("/dev/dri") || existsSync("/dev/dxg"), environment: Object.fromEntries(given) },
    installation: isLinux ? installationLines() : null,
  };
  const nothing = { adapters: [], adapter: null, backend: null, limits: {}, deviceProblem: null };
  const facts = { ...machine, ...system, ...nothing, dawn: dawnVersion(), dawnProblem: null };
  try {
    await loadDawn();
  } catch (error) {
    return { facts: { ...facts, dawnProblem: (error as Error).message }, opened: null };
  }
  const adapters = await listAdapters();
  try {
    const opened = await openDevice({ robustness: false, adapter: adapterName });
    const { info: adapter } = opened;
    const backend = adapters.find(({ name }) => slug(name) === adapter.device)?.backend ?? null;
    return { facts: { ...facts, adapters, adapter, backend, limits: numbersOf(opened.device.limits) }, opened };
  } catch (error) {
    if (adapterName !== undefined && adapters.length > 0) throw error;
    return { facts: { ...facts, adapters, deviceProblem: (error as Error).message }, opened: null };
  }
}

/** Dawn names them in the error for an adapter that does not exist, as ` * backend: 'vulkan', name: '...'`. */
async function listAdapters(): Promise<Facts["adapters"]> {
  const { create } = await loadDawn();
  try {
    await create([`adapter=${NOBODY}`]).requestAdapter();
    return []; // the answer where there is none at all
  } catch (error) {
    const found = (error as Error).message.matchAll(/backend: '([^']*)', name: '(.*)'/g);
    return [...found].map(([, backend, name]) => ({ backend, name }));
  }
}

/** Names as WebGPU's adapter info has them. */
const slug = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");

function dawnVersion(): string | null {
  try {
    const path = new URL("package.json", import.meta.resolve("webgpu"));
    return (JSON.parse(readFileSync(fileURLToPath(path), "utf8")) as { version: string }).version;
  } catch {
    return null;
  }
}

function glibcVersion(): string | null {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ?? null;
}

/** Display controllers on the PCI bus, and NVIDIA's where a container hides the bus. */
function graphicsCards(): string[] {
  const bus = "/sys/bus/pci/devices";
  const devices = existsSync(bus) ? readdirSync(bus) : [];
  const read = (device: string, file: string): string => {
    try {
      return readFileSync(`${bus}/${device}/${file}`, "utf8").trim();
    } catch {
      return "";
    }
  };
  const isDisplay = (device: string): boolean => read(device, "class").startsWith("0x03");
  const found = devices.filter(isDisplay).flatMap((device) => MAKERS[read(device, "vendor")] ?? []);
  if (existsSync("/dev/nvidiactl")) found.push("NVIDIA");
  return [...new Set(found)];
}

function vulkanDrivers(): string[] {
  const folders = DRIVER_FOLDERS.filter((folder) => existsSync(folder));
  return folders
    .flatMap((folder) => readdirSync(folder))
    .filter((name) => name.endsWith(".json"))
    .sort();
}

/** The values are getters on the prototype, so Object.entries sees nothing. */
function numbersOf(limits: GPUSupportedLimits): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const name in limits) numbers[name] = limits[name as keyof GPUSupportedLimits] as number;
  return numbers;
}
