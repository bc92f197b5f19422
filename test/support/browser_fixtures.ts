/** Runs in a browser: fixtures through the same runners as in Node. */
import { watchDevice } from "../../src/device/watch.ts";
import texts from "../../kernels/*.wgsl";
import { Gpu } from "../../src/runtime/gpu.ts";
import { parseFixture } from "../../src/verify/fixture.ts";
import { countOutcomes, showFile } from "../../src/verify/report.ts";
import { verify } from "../../src/verify/verify.ts";

async function verifyFixtures(paths: readonly string[]) {
  const adapter = await navigator.gpu.requestAdapter();
  const device = await adapter!.requestDevice({ requiredFeatures: ["subgroups"].filter((f) => adapter!.features.has(f)) as GPUFeatureName[] });
  const { check } = watchDevice(device);
  const gpu = new Gpu({ device, kernels: (file) => texts[file] });
  const files = await Promise.all(
    paths.map(async (path) => parseFixture(new Uint8Array(await (await fetch(`${path}.safetensors`)).arrayBuffer()), path)),
  );
  const reports = [];
  for await (const report of verify(files, { gpu, check })) reports.push(report);
  return { totals: countOutcomes(reports), text: reports.map((r) => showFile(r)) };
}

Object.assign(globalThis, { verifyFixtures });
