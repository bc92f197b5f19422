/**
 * Every op on every one of its samples: forward against the f64 reference, backward against finite differences of that
 * reference, no stray write, nothing left unwritten, the same bytes twice. A new op needs no line here.
 */
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { apply, backward, registry } from "../../src/ops/define.ts";
import type { Op, Sample, SampleInput } from "../../src/ops/define.ts";
import { ndarray } from "../../src/ops/ndarray.ts";
import type { NdArray } from "../../src/ops/ndarray.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { GUARD_FLOATS, GUARD_PATTERN } from "../../src/runtime/memory.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { assertClose, nmse } from "../support/compare.ts";
import { normal, seededRandom } from "../support/random.ts";
import { assertRejects } from "../support/throws.ts";

const folder = new URL("../../src/ops/", import.meta.url);
const only = new RegExp(process.env.OP ?? ""); // OP=conv2d narrows a run down to the ops of that file
for (const file of readdirSync(folder)) {
  if (file.endsWith(".ts") && only.test(file)) await import(new URL(file, folder).href);
}

/** f32 against f64: 2^-24 per operation, some tens of operations deep at these sizes. */
const FORWARD = { rtol: 2e-5, atol: 2e-6 };
const NMSE = 1e-11;
const BACKWARD = { rtol: 1e-4, atol: 1e-5 };

/** Ops of which some sample took more dispatches where kernels see less. */
const cutOps = new Set<string>();

for (const op of registry.values()) {
  const test = suite(op.name);
  for (const [index, sample] of op.samples.entries()) {
    for (const variant of [undefined, ...(op.variants ?? [])]) {
      const shapes = sample.inputs.map((input) => (input === null ? "-" : `[${spec(input).shape}]`)).join(" ");
      const label = `${op.name} sample ${index} ${shapes} ${variant ?? ""} ${sample.note ?? ""}`;
      test(label, async () => {
        const gpu = await testGpu({ guarded: true, variants: variant ? { [op.name]: variant } : {} });
        const refusal = refusalOf(gpu, op, sample);
        if (refusal === null) return checkSample(gpu, op, index, label);
        await assertRejects(() => applySample(gpu, op, sample), Error, refusal);
      });
    }
  }
  test(`${op.name} in parts`, () => {
    assert.ok(cutOps.has(op.name) || op.name === "reshape", "no sample was computed in parts");
  });
  test.run();
}

/** What an op says of a forced variant that cannot take the sample; null where it can. */
function refusalOf(gpu: Gpu, op: Op, sample: Sample<unknown>): string | null {
  try {
    op.variant?.(gpu, sample.inputs.map((input) => input && spec(input).shape), sample.options);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function applySample(gpu: Gpu, op: Op, sample: Sample<unknown>): void {
  using _arena = gpu.arena();
  apply(op, sample.inputs.map((input) => input && Tensor.zeros(gpu, spec(input).shape)), sample.options);
}

async function checkSample(gpu: Gpu, op: Op, index: number, label: string): Promise<void> {
  const sample = op.samples[index];
  const random = seededRandom(1000 + index);
  const inputs = sample.inputs.map((input) => (input === null ? null : generate(spec(input), random)));
  const want = op.reference(inputs, sample.options);

  const first = await runOnGpu(gpu, op, sample, inputs, want.shape);
  assertClose(`${label}: output`, first.output, want.data, want.shape, FORWARD);
  const error = nmse(first.output, want.data);
  if (!(error <= NMSE) && want.data.every(Number.isFinite)) throw new Error(`${label}: NMSE ${error} exceeds ${NMSE}`);

  if (op.backward) {
    const expected = op.referenceBackward?.(inputs, first.seed, sample.options);
    for (const [i, input] of inputs.entries()) {
      const grad = first.grads[i];
      if (input === null || grad === null) continue;
      const wantGrad = expected ? expected[i]!.data : finiteDifferences(op, inputs, i, sample.options, first.seed);
      assertClose(`${label}: gradient of input ${i}`, grad, wantGrad, input.shape, BACKWARD);
    }
  }
  const second = await runOnGpu(gpu, op, sample, inputs, want.shape);
  for (const [name, a, b] of [["output", first.output, second.output], ...first.grads.map((g, i) => [`gradient ${i}`, g, second.grads[i]])] as [string, Float32Array | null, Float32Array | null][]) {
    if (a && Buffer.compare(bytes(a), bytes(b!)) !== 0) throw new Error(`${label}: ${name} differs between two runs`);
  }
  await checkCut(gpu, op, index, inputs, first, label);
  await checkDevice();
}

/**
 * The same where kernels can see half of the largest tensor at a time, or twice as much again where the sample has parts
 * that cannot be computed by themselves.
 */
async function checkCut(
  gpu: Gpu,
  op: Op,
  index: number,
  inputs: readonly (NdArray | null)[],
  whole: Run,
  label: string,
): Promise<void> {
  const { variants } = gpu;
  const sample = op.samples[index];
  const sizes = [whole.output, ...inputs.map((x) => x?.data ?? [])].map(({ length }) => 4 * length);
  const half = 2 ** (Math.ceil(Math.log2(Math.max(...sizes))) - 1);
  for (let maxBinding = Math.max(half, 64); maxBinding <= 8 * half; maxBinding *= 2) {
    const small = await testGpu({ guarded: true, variants, maxBinding });
    const cut = await runOnGpu(small, op, sample, inputs, whole.shape).catch((error: unknown) => {
      if (error instanceof UserError) return null;
      throw error;
    });
    if (cut === null) continue;
    const how = `${label}, kernels seeing ${maxBinding} bytes`;
    assertClose(`${how}: output`, cut.output, whole.output, whole.shape, FORWARD);
    cut.grads.forEach((grad, i) => {
      if (grad) assertClose(`${how}: gradient of input ${i}`, grad, whole.grads[i]!, inputs[i]!.shape, BACKWARD);
    });
    if (cut.dispatches > whole.dispatches) cutOps.add(op.name);
    return;
  }
}

type Run = Awaited<ReturnType<typeof runOnGpu>>;

async function runOnGpu(gpu: Gpu, op: Op, sample: Sample<unknown>, inputs: readonly (NdArray | null)[], shape: Shape) {
  using _arena = gpu.arena();
  const before = gpu.counters.dispatches;
  const tensors = inputs.map((input, i) => {
    if (input === null) return null;
    const dtype = spec(sample.inputs[i]!).dtype ?? "f32";
    if (dtype !== "f32") {
      const data = dtype === "i32" ? Int32Array.from(input.data) : Uint32Array.from(input.data);
      return Tensor.from(gpu, data, input.shape);
    }
    const tensor = Tensor.from(gpu, Float32Array.from(input.data), input.shape);
    return op.backward ? tensor.requireGrad() : tensor;
  });
  const output = apply(op, tensors, sample.options).keep();
  if (output.shape.join() !== shape.join()) throw new Error(`${op.name}: shape [${output.shape}], expected [${shape}]`);
  const random = seededRandom(77);
  const seed = ndarray(shape, Float32Array.from({ length: sizeOf(shape) }, () => normal(random)));
  if (output.node) backward(output, { grad: Tensor.from(gpu, Float32Array.from(seed.data), seed.shape) });
  const result = {
    ...{ seed, shape, dispatches: gpu.counters.dispatches - before },
    output: Float32Array.from(await output.data()),
    grads: await Promise.all(tensors.map(async (t) => (t?.grad ? Float32Array.from(await t.grad.data()) : null))),
  };
  for (const t of [output, ...tensors.map((t) => t?.grad ?? null)]) if (t) await checkGuards(op.name, t);
  output.dispose();
  for (const t of tensors) t?.grad?.dispose();
  return result;
}

/** The words around a tensor's memory must still hold the pattern they were filled with, and the content must not. */
async function checkGuards(name: string, tensor: Tensor): Promise<void> {
  const { gpu, storage } = tensor;
  await gpu.submit();
  const guard = GUARD_FLOATS * 4;
  const staging = gpu.device.createBuffer({ size: storage.buffer.size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(storage.buffer, 0, staging, 0, storage.buffer.size);
  gpu.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const words = new Uint32Array(staging.getMappedRange());
  const end = words.length - GUARD_FLOATS;
  const used = tensor.size;
  words.forEach((word, i) => {
    const inside = i >= guard / 4 && i < guard / 4 + used;
    if (!inside && word !== GUARD_PATTERN) throw new Error(`${name}: stray write ${i - guard / 4} words from the start of ${used}`);
    if (inside && i < end && word === GUARD_PATTERN) throw new Error(`${name}: element ${i - guard / 4} was never written`);
  });
  staging.destroy();
}

function finiteDifferences(op: Op, inputs: readonly (NdArray | null)[], which: number, options: unknown, seed: NdArray): Float64Array {
  const input = inputs[which]!;
  const eps = 1e-5;
  return input.data.map((value, i) => {
    const shifted = (delta: number): number => {
      const data = Float64Array.from(input.data);
      data[i] = value + delta;
      const moved = inputs.map((x, j) => (j === which ? { shape: input.shape, data } : x));
      return op.reference(moved, options).data.reduce((total, y, j) => total + y * seed.data[j], 0);
    };
    return (shifted(eps) - shifted(-eps)) / (2 * eps);
  });
}

function spec(input: SampleInput | readonly number[]): SampleInput {
  return Array.isArray(input) ? { shape: input } : (input as SampleInput);
}

/** Inputs as f32 numbers, so that the reference sees exactly what the GPU sees. */
function generate({ shape, values, dtype }: SampleInput, random: () => number): NdArray {
  const value = values ?? ((i: number) => (i % 7 === 3 ? 0 : normal(random)));
  const exact = dtype === undefined || dtype === "f32" ? Math.fround : Math.trunc;
  return ndarray(shape, Array.from({ length: sizeOf(shape) }, (_, i) => exact(value(i, random))));
}

function bytes(array: Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
