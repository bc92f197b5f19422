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
  // It submits every dispatch by itself, and gives buffers back as soon as their array is consumed.
  const arena = (): Disposable => ({ [Symbol.dispose]() {} });
  return {
    clock: new Clock({ device, capabilities: info, arena, submit() {} }),
    prepare: (workload, operands) => prepare(jax, workload, operands),
    check,
    close,
  };
}

/** The orders of axes that it knows for convolutions: NCHW and OIHW. */
const IMAGE = [0, 3, 1, 2];
const FILTER = [3, 2, 0, 1];

async function prepare(jax: Jax, { op, pass, shape: sizes }: Workload, { inputs, dy }: Operands): Promise<PeerPass> {
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
  return {
    record: () => void run().gpuBufferSync(),
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
