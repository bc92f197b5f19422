/** A training step in words. */
import { short } from "./report.ts";
import type { StepRow } from "./step.ts";

const SHOWN_KERNELS = 8;

export function describeStep(row: StepRow): string {
  const { n, h, w, numClasses } = row.shape;
  const spread = Math.round(100 * (row.medianMs / row.minMs - 1));
  const late = row.latePipelines === 0 ? "none" : String(row.latePipelines);
  const lines = [
    ["wall", `${ms(row.minMs)} a step (median +${spread} %), ${short(row.imagesPerSecond)} images/s`],
    ["convolutions", `${short(row.gflops)} GFLOP/s over the whole step`],
    ["recording", `${ms(row.recordMs)} of JavaScript, while the step before runs`],
    ...profileLines(row),
    ["device", `${row.dispatches} dispatches, ${row.submits} submit, ${row.readbacks} readback a step`],
    ["traffic", `${bytes(row.bytesUploaded)} uploaded, ${bytes(row.bytesAllocated)} newly allocated a step`],
    ["memory", `${bytes(row.peakBytes)} of tensors at the peak, ${bytes(row.reservedBytes)} held`],
    ["cold start", `${short(row.coldStartSeconds)} s from the start of a process to its first finished step`],
    ["pipelines", `${row.pipelines} compiled in the first two steps, ${late} later`],
  ];
  const head = `training step of ${row.name}: ${n}x${h}x${w}, ${numClasses} classes`;
  return [head, ...lines.map(([name, text]) => `  ${name.padEnd(14)}${text}`)].join("\n");
}

function profileLines({ profile }: StepRow): string[][] {
  if (!profile) return [["GPU time", "unknown: this adapter has no timestamps"]];
  const { gpuMs, wallMs, idleMs, kernels } = profile;
  const shown = kernels.slice(0, SHOWN_KERNELS).map(({ kernel, percent }) => `${kernel} ${percent.toFixed(1)} %`);
  const rest = kernels.slice(SHOWN_KERNELS);
  const others = rest.reduce((sum, { percent }) => sum + percent, 0);
  if (rest.length > 0) shown.push(`${rest.length} others ${others.toFixed(1)} %`);
  return [
    ["GPU time", `${ms(gpuMs)} in kernels, ${ms(idleMs)} idle, of ${ms(wallMs)} with timestamps around every dispatch`],
    ...shown.map((text, i) => [i === 0 ? "kernels" : "", text]),
  ];
}

const ms = (value: number): string => `${short(value)} ms`;

export function bytes(count: number): string {
  if (count < 2 ** 10) return `${Math.round(count)} bytes`;
  return count < 2 ** 20 ? `${short(count / 2 ** 10)} KiB` : `${short(count / 2 ** 20)} MiB`;
}
