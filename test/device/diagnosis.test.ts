/** What the doctor says about machines that are not at hand. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diagnose } from "../../src/device/diagnosis.ts";
import type { Facts } from "../../src/device/facts.node.ts";

const FEATURES = [
  ...["subgroups", "timestamp-query", "shader-f16"],
  ...["chromium-experimental-subgroup-matrix", "subgroup-size-control"],
];
const NVIDIA = {
  ...{
    vendor: "nvidia",
    architecture: "hopper",
    device: "nvidia-h100",
    description: "NVIDIA: 575.57",
    driver: "NVIDIA: 575.57",
  },
  ...{ isSoftware: false, features: FEATURES, subgroupMinSize: 32, subgroupMaxSize: 32 },
};
const LIMITS = {
  ...{ maxStorageBufferBindingSize: 2 ** 31, maxBufferSize: 2 ** 40, maxStorageBuffersPerShaderStage: 16 },
  ...{ maxComputeInvocationsPerWorkgroup: 1024, maxComputeWorkgroupStorageSize: 2 ** 15 },
  maxComputeWorkgroupsPerDimension: 65535,
};
/** A machine with all there is. */
const WHOLE: Facts = {
  ...{ platform: "linux", arch: "x64", node: "20.0.0", cores: 8, glibc: "2.36", dawn: "0.6.2", dawnProblem: null },
  ...{ adapters: [{ backend: "vulkan", name: "NVIDIA H100" }], adapter: NVIDIA, backend: "vulkan", limits: LIMITS },
  ...{ deviceProblem: null, cards: ["NVIDIA"], vulkanDrivers: ["nvidia_icd.json"], hasRenderNodes: true },
  ...{ environment: {}, installation: null },
};
const SOFTWARE = {
  ...{ ...NVIDIA, vendor: "mesa", architecture: "software", device: "llvmpipe", isSoftware: true },
  ...{ subgroupMinSize: 8, subgroupMaxSize: 8 },
};
const NOTHING = { adapters: [], adapter: null, backend: null, limits: {} };

/** The most serious finding of the machine that differs in this. */
const first = (different: Partial<Facts>) => diagnose({ ...WHOLE, ...different })[0];

test("a machine that has everything lacks nothing", () => {
  assert.equal(diagnose(WHOLE), []);
});

test("features and limits that are missing: each with its cost and its remedy", () => {
  const bare = { ...NVIDIA, features: [] };
  const findings = diagnose({ ...WHOLE, adapter: bare, limits: { ...LIMITS, maxStorageBufferBindingSize: 2 ** 27 } });
  assert.equal(
    findings.map(({ level, what }) => [level, what]),
    [...FEATURES.map((name) => ["minor", `no ${name}`]), ["minor", "maxStorageBufferBindingSize is 128 MiB"]],
  );
  for (const { costs, mend } of findings) assert.ok(costs.length > 0 && mend.length > 0);
  const slow = diagnose({ ...WHOLE, adapter: { ...SOFTWARE, features: FEATURES.slice(1) } });
  assert.equal(
    slow.map(({ level, what }) => [level, what]),
    [
      ["slow", "shaders run on the CPU"],
      ["slow", "no subgroups"],
    ],
  );
});

test("the CPU computes although there is a card: what its driver lacks", () => {
  const software = { adapter: SOFTWARE, adapters: [{ backend: "vulkan", name: "llvmpipe (LLVM 15)" }] };
  const mend = (different: Partial<Facts>): string => first({ ...software, ...different }).mend;
  assert.match(mend({ vulkanDrivers: ["lvp_icd.json"] }), "NVIDIA_DRIVER_CAPABILITIES=all, and");
  const compute = { NVIDIA_DRIVER_CAPABILITIES: "compute,utility" };
  assert.match(mend({ vulkanDrivers: [], environment: compute }), "=all, not compute,utility");
  assert.match(mend({ cards: ["AMD"], vulkanDrivers: ["lvp_icd.json"] }), "apt-get install mesa-vulkan-drivers");
  assert.match(
    mend({ cards: ["Intel"], vulkanDrivers: ["intel_icd.json"], hasRenderNodes: false }),
    "--device /dev/dri",
  );
  assert.match(mend({ cards: [] }), "no GPU is seen here");
  const both = [...software.adapters, { backend: "vulkan", name: "NVIDIA H100" }];
  assert.match(mend({ adapters: both }), '--adapter "NVIDIA H100"');
  const threads = diagnose({ ...WHOLE, ...software, environment: { LP_NUM_THREADS: "2" } });
  assert.equal(threads.map(({ mend }) => mend).slice(1), ["unset LP_NUM_THREADS"]);
});

test("no adapter at all", () => {
  const lines = "apt-get install mesa-vulkan-drivers\n";
  const bare = first({ ...NOTHING, cards: [], installation: lines });
  assert.equal([bare.level, bare.what], ["fatal", "no WebGPU adapter was found"]);
  assert.match(bare.mend, lines);
  assert.match(first({ ...NOTHING, platform: "darwin", cards: [] }).mend, "Metal");
  assert.match(first({ ...NOTHING, platform: "win32", cards: [] }).mend, "Direct3D 12");
  assert.match(first({ ...NOTHING, platform: "linux", cards: [] }).mend, "Vulkan driver");
  const hidden = first({ ...NOTHING, environment: { VK_ICD_FILENAMES: "/x" } });
  assert.match(hidden.mend, 'unset VK_ICD_FILENAMES, which is "/x"');
  const refused = first({ ...NOTHING, adapters: WHOLE.adapters, deviceProblem: "out of memory" });
  assert.is(refused.what, "no device could be opened: out of memory");
});

test("Dawn does not load: not installed, another C library, a platform without a build", () => {
  const failed = { ...NOTHING, dawnProblem: "it did not load" };
  assert.match(first({ ...failed, dawn: null }).mend, "npm install");
  assert.match(first({ ...failed, glibc: null }).mend, "-alpine");
  const other = first({ ...failed, platform: "freebsd", glibc: null });
  assert.is(other.what, "it did not load");
  assert.match(other.mend, "Linux with glibc");
});

test.run();
