/** What a machine lacks, what that costs here, and what mends it. */
import type { Facts } from "./facts.node.ts";

export interface Finding {
  /** `fatal`: nothing can be computed. `slow`: it can, slower than the machine allows. `minor`: something optional. */
  readonly level: "fatal" | "slow" | "minor";
  readonly what: string;
  readonly costs: string;
  /** Commands, flags, settings. */
  readonly mend: string;
}

interface FeatureRule {
  readonly name: string;
  readonly costs: string;
  readonly mend: string;
  /** Whether kernels here make use of it where shaders run on the CPU, and on GPUs; else its absence is just noted. */
  readonly usedOn?: "cpu";
}

/** Features of WebGPU that are asked for, and what becomes of those who have none. */
export const FEATURES: readonly FeatureRule[] = [
  {
    name: "subgroups",
    costs: "where shaders run on the CPU, the kernels *_panel, several times as fast as the portable ones",
    mend: "a newer Vulkan driver (with subgroup operations, and a subgroup size of at least 8): update it, or Mesa",
    usedOn: "cpu",
  },
  {
    name: "timestamp-query",
    costs: "--profile, and the share of GPU time in npm run bench; nothing else",
    mend: "a newer driver (Vulkan: timestampComputeAndGraphics)",
  },
  {
    name: "shader-f16",
    costs: "nothing yet: all kernels here compute in f32",
    mend:
      "a newer driver (Vulkan: shaderFloat16 and storageBuffer16BitAccess). On NVIDIA Dawn hides it without " +
      "its toggle vulkan_enable_f16_on_nvidia, which is set already",
  },
  {
    name: "chromium-experimental-subgroup-matrix",
    costs: "nothing yet: no kernel here uses tensor cores",
    mend:
      "a driver with VK_KHR_cooperative_matrix, or Metal. Dawn hides it without its toggle allow_unsafe_apis, " +
      "which is set already",
  },
  {
    name: "subgroup-size-control",
    costs: "nothing yet: no kernel here asks for a subgroup size",
    mend: "a newer Vulkan driver (subgroupSizeControl, of Vulkan 1.3)",
  },
];

interface LimitRule {
  readonly name: string;
  readonly inBytes?: boolean;
  /** Below this it is worth a word; what it costs then. */
  readonly enough: number;
  readonly costs: string;
  readonly mend: string;
}

const MIB = 2 ** 20;
const NEWER = "a newer driver, or another adapter (--adapter NAME)";

/** Limits that decide what can be computed. `enough` is what the kernels need, or WebGPU guarantees. */
export const LIMITS: readonly LimitRule[] = [
  {
    ...{ name: "maxStorageBufferBindingSize", inBytes: true, enough: 1024 * MIB },
    costs: "larger tensors, such as logits of 19 classes at 1024x2048 (152 MiB), are computed in parts, a bit slower",
    mend: "the limit is the driver's; smaller images or crops (--set data.size, data.crop) stay below it",
  },
  {
    ...{ name: "maxBufferSize", inBytes: true, enough: 256 * MIB },
    ...{ costs: "no tensor can be larger than that", mend: NEWER },
  },
  {
    ...{ name: "maxStorageBuffersPerShaderStage", enough: 8 },
    ...{ costs: "kernels with that many tensors do not run", mend: NEWER },
  },
  {
    ...{ name: "maxComputeInvocationsPerWorkgroup", enough: 256 },
    ...{ costs: "kernels with workgroups of 256 do not run", mend: NEWER },
  },
  {
    ...{ name: "maxComputeWorkgroupStorageSize", inBytes: true, enough: 16 * 2 ** 10 },
    ...{ costs: "kernels that share tiles in workgroups do not run", mend: NEWER },
  },
  {
    ...{ name: "maxComputeWorkgroupsPerDimension", enough: 65535 },
    ...{ costs: "large tensors cannot be worked on in one dispatch", mend: NEWER },
  },
];

/** The most serious first. */
export function diagnose(facts: Facts): Finding[] {
  if (facts.dawnProblem !== null) return [withoutDawn(facts)];
  if (!facts.adapter) return [withoutDevice(facts)];
  return [...slowness(facts), ...missingFeatures(facts), ...tightLimits(facts)];
}

function withoutDawn({ platform, glibc, dawn, dawnProblem }: Facts): Finding {
  const mends = {
    missing: "npm install; in a project that depends on this one: npm install webgpu",
    musl: "a system with glibc, as Dawn needs: in containers an image such as node:20-bookworm-slim, not -alpine",
    other: "Node 20 or newer for Linux with glibc (x64, arm64), macOS, or Windows (x64, arm64); then npm install",
  };
  const mend = dawn === null ? mends.missing : platform === "linux" && glibc === null ? mends.musl : mends.other;
  return {
    ...{ level: "fatal", what: dawnProblem! },
    ...{ costs: "every command that computes; export and report work without", mend },
  };
}

function withoutDevice(facts: Facts): Finding {
  const { adapters, deviceProblem, installation } = facts;
  const costs = "every command that computes";
  const refusal = `no device could be opened: ${deviceProblem}`;
  if (adapters.length > 0) return { level: "fatal", what: refusal, costs, mend: NEWER };
  const software =
    installation === null ? "" : `Without a GPU, Mesa's software driver will do. As root:\n${installation}`;
  const own = [...hiddenDrivers(facts), ...missingDrivers(facts)];
  const mend = [...own, software].filter((text) => text !== "").join("\n") || ELSEWHERE[facts.platform] || ANYWHERE;
  return { level: "fatal", what: "no WebGPU adapter was found", costs, mend };
}

const ANYWHERE = "install the Vulkan driver of this machine's GPU";
const ELSEWHERE: Readonly<Record<string, string>> = {
  darwin: "Metal comes with macOS: update it, and in a virtual machine switch graphics acceleration on",
  win32: "install the GPU maker's driver, for Direct3D 12 or Vulkan; remote sessions may hide it",
};

/** Variables that keep drivers from being found. */
function hiddenDrivers({ environment }: Facts): string[] {
  const names = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_DISABLE"];
  return names.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [`unset ${name}, which is "${value}": it decides which Vulkan drivers are seen`];
  });
}

/** What the graphics cards of a Linux machine lack. */
function missingDrivers({ cards, vulkanDrivers, hasRenderNodes, environment }: Facts): string[] {
  const has = (part: string): boolean => vulkanDrivers.some((name) => name.includes(part));
  return cards.flatMap((maker) => {
    if (maker === "NVIDIA") {
      if (has("nvidia")) return [];
      const given = environment.NVIDIA_DRIVER_CAPABILITIES;
      return [
        "NVIDIA: its driver's Vulkan part is missing (nvidia_icd.json). In a container: docker run --gpus all -e " +
          `NVIDIA_DRIVER_CAPABILITIES=all${given === undefined ? "" : `, not ${given}`}, and the package libvulkan1. ` +
          "On the machine: Debian nvidia-vulkan-icd, Ubuntu libnvidia-gl-VERSION",
      ];
    }
    const driver = maker === "AMD" ? "radeon" : "intel";
    if (!has(driver)) return [`${maker}: apt-get install mesa-vulkan-drivers libvulkan1`];
    if (hasRenderNodes) return [];
    return [
      `${maker}: the driver is there, its device is not: docker run --device /dev/dri, sudo usermod -aG render "$USER"`,
    ];
  });
}

function slowness(facts: Facts): Finding[] {
  const { adapter, cores, adapters, environment } = facts;
  if (!adapter!.isSoftware) return [];
  const gpus = adapters.filter(({ name }) => !/llvmpipe|swiftshader/i.test(name));
  const found = gpus.map(({ name }) => `--adapter ${JSON.stringify(name)}, which is there`);
  const mends = [...found, ...hiddenDrivers(facts), ...missingDrivers(facts)];
  const noCard = "no GPU is seen here; on a machine with one, its maker's Vulkan driver makes it the adapter";
  const findings: Finding[] = [
    {
      ...{ level: "slow", what: "shaders run on the CPU" },
      costs: "GPUs have tens to hundreds of times the arithmetic: `tiny` trains in minutes here, other presets do not",
      mend: mends.length > 0 ? mends.join("\n") : noCard,
    },
  ];
  const threads = Number(environment.LP_NUM_THREADS);
  if (threads >= 0 && threads < cores) {
    findings.push({
      ...{ level: "slow", what: `the software driver uses ${threads} of ${cores} cores` },
      ...{ costs: "the others stand idle", mend: "unset LP_NUM_THREADS" },
    });
  }
  return findings;
}

function missingFeatures({ adapter }: Facts): Finding[] {
  return FEATURES.filter(({ name }) => !adapter!.features.includes(name)).map(({ name, costs, mend, usedOn }) => {
    const isSlow = usedOn === "cpu" && adapter!.isSoftware;
    return { level: isSlow ? "slow" : "minor", what: `no ${name}`, costs, mend };
  });
}

function tightLimits({ limits }: Facts): Finding[] {
  return LIMITS.filter(({ name, enough }) => limits[name] < enough).map(({ name, inBytes, costs, mend }) => {
    return { level: "minor", what: `${name} is ${showLimit(limits[name], inBytes)}`, costs, mend };
  });
}

export function showLimit(value: number, inBytes = false): string {
  if (!inBytes) return value.toLocaleString("en");
  const [size, unit] = value >= MIB ? [MIB, "MiB"] : [2 ** 10, "KiB"];
  return `${(value / size).toLocaleString("en", { maximumFractionDigits: 1 })} ${unit}`;
}
