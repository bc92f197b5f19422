/** A training step, measured in a process of its own. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { syntheticBatch } from "../../bench/step.ts";
import { describeStep } from "../../bench/step_report.ts";
import { runStep } from "../../bench/steps.ts";

const task = { name: "small", preset: "tiny", n: 2, size: [32, 48] as const };

test("a step's figures are those of one step, and nothing is compiled after the first two", async () => {
  const row = await runStep(task, { profile: true, variants: {} });
  assert.equal([row.name, row.op, row.pass, row.shape], ["small", "train", "step", { n: 2, h: 32, w: 48, numClasses: 19 }]);
  assert.ok(row.minMs > 0 && row.medianMs >= row.minMs && row.recordMs > 0 && row.recordMs < row.medianMs);
  assert.equal([row.submits, row.readbacks, row.latePipelines], [1, 1, 0]);
  assert.ok(Number.isInteger(row.dispatches) && row.dispatches > 100, `${row.dispatches} dispatches`);
  const images = 2 * 32 * 48 * (3 + 1) * 4;
  assert.ok(row.bytesUploaded > images && row.bytesUploaded < 20 * images, `${row.bytesUploaded} bytes uploaded`);
  assert.ok(row.bytesAllocated < 1024, `${row.bytesAllocated} bytes allocated: only the losses' way back is new`);
  assert.ok(row.peakBytes > 0 && row.reservedBytes >= row.peakBytes && row.pipelines > 10 && row.coldStartSeconds > 0.1);

  const { kernels, gpuMs, idleMs, wallMs } = row.profile!;
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  assert.is(sum(kernels.map(({ calls }) => calls)), row.dispatches);
  assert.ok(Math.abs(sum(kernels.map(({ ms }) => ms)) - gpuMs) < 1e-6 * gpuMs);
  assert.ok(Math.abs(sum(kernels.map(({ percent }) => percent)) - 100) < 1e-6);
  assert.ok(Math.abs(gpuMs + idleMs - wallMs) < 1e-9 && gpuMs > 0);

  const text = describeStep(row);
  assert.match(text, "training step of small: 2x32x48, 19 classes");
  assert.match(text, `${kernels[0].kernel} ${kernels[0].percent.toFixed(1)} %`);
  assert.match(describeStep({ ...row, profile: null }), "no timestamps");
});

test("a process that fails is an error", async () => {
  let message = "";
  await runStep({ ...task, size: [0, 0] }, { profile: false, variants: {} }).catch((error: Error) => (message = error.message));
  assert.is(message, "small: the process of the training step ended with code 1");
});

test("synthetic labels have every class, and void", () => {
  const { images, labels, ids } = syntheticBatch(2, [128, 256]);
  assert.equal([images.length, labels.length, ids.length], [2 * 128 * 256 * 3, 2 * 128 * 256, 2]);
  assert.equal([...new Set(labels)].sort((a, b) => a - b), [...Array(19).keys(), 255]);
});

test.run();
