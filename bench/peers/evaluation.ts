/** The row of the comparison that is a whole evaluation: the network of `tiny`, and what npm run export makes of it. */
import { noGrad } from "../../src/autograd/tape.ts";
import { mcibiOptions } from "../../src/config/model.ts";
import { preset } from "../../src/config/presets.ts";
import { exportOnnx } from "../../src/export/onnx.ts";
import { parseSafetensors, serializeSafetensors } from "../../src/io/safetensors.ts";
import { Mcibi } from "../../src/models/mcibi.ts";
import type { StateTensor } from "../../src/nn/state.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { interpolateBilinear } from "../../src/ops/interpolate.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { operands } from "../workload.ts";
import { openOnnxRuntime } from "./onnxruntime.ts";
import type { Evaluate } from "./onnxruntime.ts";
import { permuted } from "./peer.ts";
import type { PeerResult, Values } from "./peer.ts";

const PEERS = ["cpu", "webgpu"] as const;
type OnnxPeer = (typeof PEERS)[number];

export interface ComparedEvaluation {
  readonly ms: number;
  /** ONNX Runtime, by the name of its execution provider. */
  readonly peers: Readonly<Record<OnnxPeer, PeerResult>>;
}

const CONFIG = preset("tiny");
const SIZE = CONFIG.data.size;
const IMAGES = [2, ...SIZE, 3];
const CLASSES = 19;
const CHANNELS_FIRST = [0, 3, 1, 2];

/** Between logits, relative to the largest one. */
const TOLERANCE = 1e-4;
const SAMPLES = 7;
/** As for training steps: a pending promise would take a core from an adapter that runs on the CPU. */
const SLEEP_SHARE = 0.7;

export async function compareEvaluations(gpu: Gpu, adapter: string | undefined): Promise<ComparedEvaluation> {
  const model = new Mcibi(mcibiOptions(CONFIG, CLASSES), new RandomState(0)).initialize(gpu, 0).eval();
  const { shape } = model.memory!.memory;
  const [pixels, memory] = operands({ inputs: [{ shape: IMAGES }, { shape }], options: null }) as Float32Array[];
  const state = await model.stateDict();
  state.set("memory_module.memory", { shape, data: memory }); // until it is trained there are zeros
  model.loadStateDict(state);
  const image: Values = { data: pixels, shape: IMAGES };
  const ours = (patienceMs: number): Promise<Float32Array> => evaluate(gpu, model, image, patienceMs);
  const runtime = await openOnnxRuntime(adapter, modelFile(state), permuted(image, CHANNELS_FIRST));
  try {
    const logits = { data: await ours(0), shape: [...IMAGES.slice(0, 3), CLASSES] };
    const want = permuted(logits, CHANNELS_FIRST).data;
    const peers: Record<OnnxPeer, PeerResult> = { cpu: { ms: Infinity }, webgpu: { ms: Infinity } };
    for (const name of PEERS) {
      const problem = await runtime[name]().then((got) => difference(got, want), ({ message }: Error) => message);
      if (problem !== null) peers[name] = { cannot: problem.split("\n", 1)[0] };
    }
    runtime.check();
    let best = Infinity;
    for (let i = 0; i < SAMPLES; i++) {
      best = Math.min(best, await milliseconds(() => ours(best < Infinity ? SLEEP_SHARE * best : 0)));
      for (const name of PEERS) {
        const result = peers[name];
        if ("ms" in result) peers[name] = { ms: Math.min(result.ms, await milliseconds(runtime[name])) };
      }
    }
    runtime.check();
    return { ms: best, peers };
  } finally {
    model.dispose();
    runtime.close();
  }
}

/** @param patienceMs how long to leave an adapter that runs on the CPU alone */
async function evaluate(gpu: Gpu, model: Mcibi, { data, shape }: Values, patienceMs: number): Promise<Float32Array> {
  using _arena = gpu.arena();
  const began = performance.now();
  const logits = noGrad(() => {
    const { logits } = model.forward(Tensor.from(gpu, data, shape));
    return interpolateBilinear(logits, { size: SIZE, alignCorners: model.alignCorners });
  });
  const readback = gpu.snapshot(logits, logits.size * 4);
  await gpu.submit();
  const rest = began + patienceMs - performance.now();
  if (gpu.capabilities.isSoftware && rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
  return new Float32Array(await readback.fetch());
}

function modelFile(state: ReadonlyMap<string, StateTensor>): Uint8Array {
  const classNames = Array.from({ length: CLASSES }, (_, k) => `class ${k}`);
  return exportOnnx(
    {
      path: "random numbers",
      config: CONFIG,
      subject: { dataset: CONFIG.data.dataset, classNames },
      progress: { iteration: 0, stepsPerEpoch: 1, evaluatedEpoch: 0, best: null },
      state: parseSafetensors(serializeSafetensors(state)).tensors,
    },
    SIZE,
  );
}

/** Null where the logits are the same but for rounding. */
export function difference(got: Float32Array, want: Float32Array): string | null {
  if (got.length !== want.length) return `${got.length} logits, ours are ${want.length}`;
  const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const place = want.findIndex((value, i) => !(Math.abs(got[i] - value) <= TOLERANCE * largest));
  return place < 0 ? null : `computes something else: logit ${place} is ${got[place]}, ours ${want[place]}`;
}

async function milliseconds(run: Evaluate): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}
