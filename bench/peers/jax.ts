/** jax-js on its WebGPU backend: every pass compiled by `jit`, gradients derived by its `vjp`. */
import type { Pair, Shape } from "../../src/tensor/shape.ts";
import { Clock } from "../clock.ts";
import type { ConvShape } from "../network.ts";
import type { MatmulShape } from "../products.ts";
import type { Workload } from "../workload.ts";
import { load, openPeerDevice, permuted } from "./peer.ts";
import type { Operands, Peer, PeerPass, Values } from "./peer.ts";

/** An argument is consumed; `ref` is another one of the same array. */
interface JaxArray {
  readonly shape: number[];
  readonly ref: JaxArray;
  data(): Promise<Float32Array>;
  /** Sends the work behind it to the device. */
  gpuBufferSync(): GPUBuffer;
  dispose(): void;
}

type Compute = (...inputs: JaxArray[]) => JaxArray;
type Pullback = ((dy: JaxArray) => [JaxArray]) & Disposer;

interface Disposer {
  dispose(): void;
}

/** As much of @jax-js/jax as the passes need. */
interface Jax {
  init(device: "webgpu"): Promise<string[]>;
  defaultDevice(device: "webgpu"): void;
  jit(compute: Compute): Compute & Disposer;
  vjp(compute: Compute, inputs: JaxArray[]): [JaxArray, Pullback];
  blockUntilReady(array: JaxArray): Promise<JaxArray>;
  readonly numpy: {
    array(values: Float32Array, options: { shape: Shape }): JaxArray;
    zeros(shape: Shape): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    matrixTranspose(a: JaxArray): JaxArray;
  };
  readonly lax: {
    convGeneralDilated(
      lhs: JaxArray,
      rhs: JaxArray,
      strides: Pair,
      padding: readonly Pair[],
      options: { rhsDilation: Pair },
    ): JaxArray;
  };
}

export async function openJax(adapter: string | undefined): Promise<Peer> {
  const { device, info, check, close } = await openPeerDevice(adapter);
  const jax = load<Jax>("@jax-js/jax");
  if (!(await jax.init("webgpu")).includes("webgpu")) throw new Error("jax-js has not taken the WebGPU device");
  jax.defaultDevice("webgpu");
  const submits = new Submits(device.queue);
  const arena = (): Disposable => ({ [Symbol.dispose]() {} }); // arrays are consumed where they are used
  return {
    clock: new Clock({ device, capabilities: info, arena, submit: () => submits.flush() }),
    prepare: (workload, operands) => prepare(jax, submits, workload, operands),
    check,
    close,
  };
}

/**
 * It submits every dispatch by itself. For the clock they are kept until all repetitions are recorded, so that, as
 * for ours, the device at work is timed and not the encoding, which would count in short passes.
 */
class Submits {
  readonly #queue: GPUQueue;
  #kept: GPUCommandBuffer[] = [];

  constructor(queue: GPUQueue) {
    this.#queue = queue;
  }

  keep(work: () => void): void {
    const { submit } = this.#queue;
    this.#queue.submit = (commands) => void this.#kept.push(...commands);
    try {
      work();
    } finally {
      this.#queue.submit = submit;
    }
  }

  flush(): void {
    if (this.#kept.length > 0) this.#queue.submit(this.#kept.splice(0));
  }
}

/** It destroys larger buffers as soon as their array is consumed, which commands that are kept would not survive. */
const MOST_POOLED_BYTES = 2 ** 26;

/** The orders of axes that it knows for convolutions: NCHW and OIHW. */
const IMAGE = [0, 3, 1, 2];
const FILTER = [3, 2, 0, 1];

async function prepare(
  jax: Jax,
  submits: Submits,
  { op, pass, shape: sizes, bytes }: Workload,
  { inputs, dy }: Operands,
): Promise<PeerPass> {
  const isConvolution = op.name === "conv2d";
  const upload = async (values: Values, order: readonly number[]): Promise<JaxArray> => {
    const { data, shape } = isConvolution ? permuted(values, order) : values;
    return jax.blockUntilReady(jax.numpy.array(data, { shape }));
  };
  const x = await upload(inputs[0], IMAGE);
  const w = await upload(inputs[1], FILTER);
  const gradient = dy && (await upload(dy, IMAGE));

  const product = isConvolution
    ? convolution(jax, sizes as unknown as ConvShape)
    : matmul(jax, sizes as unknown as MatmulShape);
  /** Linear in the input: of the forward pass that is traced along, nothing remains in what `jit` compiles. */
  const pullBack = (forward: Compute, of: JaxArray, dy: JaxArray): JaxArray => {
    const [y, back] = jax.vjp(forward, [jax.numpy.zeros(of.shape)]);
    y.dispose();
    const [result] = back(dy);
    back.dispose();
    return result;
  };
  const passes: Record<typeof pass, { compute: Compute; operands: JaxArray[]; order: readonly number[] }> = {
    forward: { compute: product, operands: [x, w], order: IMAGE },
    backwardInput: {
      compute: (filter, dy) => pullBack((input) => product(input, filter), x, dy),
      operands: [w, gradient!],
      order: IMAGE,
    },
    backwardWeight: {
      compute: (input, dy) => pullBack((filter) => product(input, filter), w, dy),
      operands: [x, gradient!],
      order: FILTER,
    },
  };
  const { compute, operands, order } = passes[pass];
  const compiled = jax.jit(compute);
  const run = (): JaxArray => compiled(...operands.map(({ ref }) => ref));
  const record = (): void => void run().gpuBufferSync();
  return {
    record: bytes < MOST_POOLED_BYTES ? () => submits.keep(record) : record,
    async result() {
      const y = run();
      const { shape } = y;
      const data = await y.data();
      return isConvolution ? permuted({ data, shape }, inverse(order)).data : data;
    },
    dispose() {
      compiled.dispose();
      for (const array of [x, w, gradient]) array?.dispose();
    },
  };
}

function convolution({ lax }: Jax, { stride, padding, dilation }: ConvShape): Compute {
  const around = padding.map((pad): Pair => [pad, pad]);
  return (x, w) => lax.convGeneralDilated(x, w, stride, around, { rhsDilation: dilation });
}

function matmul({ numpy }: Jax, { transposeA, transposeB }: MatmulShape): Compute {
  const turned = (matrix: JaxArray, isTurned: boolean): JaxArray =>
    isTurned ? numpy.matrixTranspose(matrix) : matrix;
  return (a, b) => numpy.matmul(turned(a, transposeA), turned(b, transposeB));
}

const inverse = (order: readonly number[]): number[] => order.map((_, axis) => order.indexOf(axis));
