/// <reference types="@webgpu/types" preserve="true" />
/** What a WebGPU device can do, in this project's words. The device may come from Dawn, a browser or Deno. */

/** An adapter as it appears in logs, in run folders and in the JSON of the benchmark. */
export interface AdapterReport {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
  /** True where shaders run on the CPU: other kernels win there, and timings say nothing about a GPU. */
  isSoftware: boolean;
  /** What the adapter offers; a device may have been opened with fewer. */
  features: string[];
  /** Driver and version. Dawn reports them as the adapter's description; empty where a browser hides them. */
  driver: string;
  /** Smallest and largest number of lanes in a subgroup, 0 where unknown. */
  subgroupMinSize: number;
  subgroupMaxSize: number;
}

/** What a device was opened with, as far as kernels are chosen by it. */
export interface Capabilities {
  hasSubgroups: boolean;
  /** Lanes in a subgroup, only where the device commits itself to one number. */
  subgroupSize: number | undefined;
  hasF16: boolean;
  hasTimestamps: boolean;
  /** Bytes of the largest storage buffer binding. */
  maxStorageBinding: number;
  isSoftware: boolean;
}

/**
 * An adapter in this project's words.
 *
 * @param features of the adapter; a device may have fewer
 */
export function reportAdapter(info: GPUAdapterInfo, features: Iterable<string>): AdapterReport {
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    isSoftware: isSoftware(info),
    features: [...features].sort(),
    driver: info.description,
    subgroupMinSize: info.subgroupMinSize ?? 0,
    subgroupMaxSize: info.subgroupMaxSize ?? 0,
  };
}

/**
 * What measurements are filed under, such as "nvidia-hopper" or, with the lanes of a subgroup, "mesa-software-8": adapters
 * of a family are taken to like the same kernels. Empty where a browser hides the vendor.
 */
export function adapterFamily(info: GPUAdapterInfo): string {
  const { vendor, architecture, subgroupMinSize } = info;
  if (vendor === "") return "";
  const lanes = isSoftware(info) && subgroupMinSize ? String(subgroupMinSize) : "";
  return [vendor, architecture, lanes].filter((part) => part !== "").join("-").toLowerCase();
}

/** Reads them off a device, which may be anybody's. */
export function capabilities(device: GPUDevice): Capabilities {
  const { adapterInfo: info, features, limits } = device;
  const hasSubgroups = features.has("subgroups");
  const size = info.subgroupMinSize ?? 0;
  const sizeIsFixed = hasSubgroups && size > 0 && size === info.subgroupMaxSize;
  return {
    hasSubgroups,
    subgroupSize: sizeIsFixed ? size : undefined,
    hasF16: features.has("shader-f16"),
    hasTimestamps: features.has("timestamp-query"),
    maxStorageBinding: limits.maxStorageBufferBindingSize,
    isSoftware: isSoftware(info),
  };
}

/** One line for a person, such as `llvmpipe: Mesa 25.0.7 (mesa software, runs on the CPU, subgroups of 8, f16)`. */
export function describe(info: AdapterReport): string {
  const { subgroupMinSize: min, subgroupMaxSize: max } = info;
  const maker = `${info.vendor} ${info.architecture}`.trim();
  const name = info.description || info.device || maker || "unnamed adapter"; // browsers name the maker at most
  const traits = [
    name === maker ? "" : maker,
    info.isSoftware ? "runs on the CPU" : "",
    info.features.includes("subgroups") && min > 0 ? `subgroups of ${min === max ? min : `${min} to ${max}`}` : "",
    info.features.includes("shader-f16") ? "f16" : "",
  ].filter((trait) => trait !== "");
  return traits.length > 0 ? `${name} (${traits.join(", ")})` : name;
}

/** Mesa's lavapipe reports the architecture "software"; SwiftShader calls itself Google's "swiftshader". */
function isSoftware(info: GPUAdapterInfo): boolean {
  return (
    info.isFallbackAdapter === true || info.architecture === "software" || /swiftshader/i.test(info.architecture)
  );
}
