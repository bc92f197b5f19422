/** Every translation to ONNX, on the samples of its op, in ONNX Runtime against the op's f64 reference. No device. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { operands } from "../../bench/workload.ts";
import { UserError } from "../../src/errors.ts";
import { identity } from "../../src/export/graph.ts";
import { translations } from "../../src/export/operators.ts";
import { trace } from "../../src/export/trace.ts";
import { translate } from "../../src/export/translate.ts";
import "../../src/index.browser.ts";
import { serializeOnnx } from "../../src/io/onnx.ts";
import { apply, registry } from "../../src/ops/define.ts";
import type { Op, Sample, SampleInput } from "../../src/ops/define.ts";
import { ndarray } from "../../src/ops/ndarray.ts";
import { MetaGpu } from "../../src/runtime/meta.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { assertClose } from "../support/compare.ts";
import { onnxRuntime } from "../support/onnx.ts";
import type { Numbers } from "../support/onnx.ts";

/** Of two f32 sums in different orders. */
const TOLERANCE = { rtol: 1e-4, atol: 1e-5 };

/** What ONNX has no counterpart for, by op: samples that are refused. */
const REFUSED: Readonly<Record<string, number>> = {
  batch_norm: 14, // by the batch's statistics
  max_pool2d: 1, // rounding up, with padding
  avg_pool2d: 2, // the same, and a divisor
  interpolate_bilinear: 4, // strips
  softmax: 1, // of a scalar
  log_softmax: 1,
};

/** Samples on which the runtime has its own mind, by op. */
const UNLIKE: Readonly<Record<string, readonly number[]>> = {
  max_pool2d: [8, 11], // a window without a pixel has the lowest number, not -Infinity
  layer_norm: [0], // it refuses to normalise single values
  interpolate_nearest: [5], // between two pixels its quotient rounds up where our product rounds down
};

const specOf = (input: Shape | SampleInput): SampleInput => ("shape" in input ? input : { shape: input });

/** The sample as a model of its own; inputs that are null are left out. */
function modelOf(op: Op, sample: Sample<unknown>): Uint8Array {
  const gpu = new MetaGpu();
  const shapes = sample.inputs.flatMap((input) => (input === null ? [] : [specOf(input).shape]));
  const program = trace(gpu, [shapes], new Map(), (tensors) => {
    let next = 0;
    return apply(op, sample.inputs.map((input) => input && tensors[next++]), sample.options);
  });
  const { shapes: [output] } = program.values[program.output];
  const inputs = shapes.map(({ length }, i) => ({ name: `x${i}`, order: identity(length) }));
  const { nodes, initializers } = translate(program, {
    inputs,
    output: { name: "y", order: identity(output.length) },
    stored: (name) => {
      throw new Error(`there is no variable ${name}`);
    },
  });
  const named = (name: string, shape: Shape) => ({ name, shape, description: "" });
  return serializeOnnx({
    ...{ name: op.name, description: "", producer: "test", metadata: {}, nodes, initializers },
    inputs: inputs.map(({ name }, i) => named(name, shapes[i])),
    outputs: [named("y", output)],
  });
}

const load = await onnxRuntime("ONNX operators");
for (const name of Object.keys(translations)) {
  const op = registry.get(name)!;
  test(`${name} in ONNX`, async () => {
    let refused = 0;
    for (const [index, sample] of op.samples.entries()) {
      const label = `${name} sample ${index} ${sample.note ?? ""}`;
      const inputs = sample.inputs.map((input) => input && specOf(input));
      const values = operands({ inputs, options: sample.options });
      if (values.some((data) => data && !(data instanceof Float32Array && data.every(Number.isFinite)))) continue;
      let model: Uint8Array;
      try {
        model = modelOf(op, sample);
      } catch (error) {
        assert.instance(error, UserError, `${label}: ${(error as Error).stack}`);
        refused++;
        continue;
      }
      const want = op.reference(inputs.map((input, i) => input && ndarray(input.shape, values[i]!)), sample.options);
      if (!load || UNLIKE[name]?.includes(index)) continue;
      const given = inputs.flatMap((input, i): Numbers[] =>
        input ? [{ shape: input.shape, data: values[i] as Float32Array }] : [],
      );
      const run = await load(model);
      const { y } = await run(Object.fromEntries(given.map((numbers, i) => [`x${i}`, numbers])));
      assert.equal(y.shape, [...want.shape], label);
      assertClose(label, y.data, want.data, want.shape, TOLERANCE);
    }
    assert.is(refused, REFUSED[name] ?? 0, `${name}: samples without counterpart`);
  });
}

test.run();
