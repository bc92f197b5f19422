/** TensorFlow.js on its WebGPU backend. */
import type { Pair, Shape } from "../../src/tensor/shape.ts";
import { Clock } from "../clock.ts";
import type { ConvShape } from "../network.ts";
import type { MatmulShape } from "../products.ts";
import type { Workload } from "../workload.ts";
import { load, openPeerDevice } from "./peer.ts";
import type { Operands, Peer, PeerPass, Values } from "./peer.ts";

export interface TfTensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}

type Attributes = Readonly<Record<string, unknown>>;

/** As much of @tensorflow/tfjs-core as the passes need. */
interface TensorFlow {
  enableProdMode(): void;
  setBackend(name: string): Promise<boolean>;
  tensor(values: Float32Array, shape: Shape): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA: boolean, transposeB: boolean): TfTensor;
  conv2d(
    x: TfTensor,
    filter: TfTensor,
    strides: Pair,
    pad: number,
    dataFormat: "NHWC",
    dilations: Pair,
  ): TfTensor;
  grad(f: (x: TfTensor) => TfTensor): (x: TfTensor, dy: TfTensor) => TfTensor;
  engine(): {
    startScope(): void;
    endScope(): void;
    runKernel(name: string, inputs: Readonly<Record<string, TfTensor>>, attributes: Attributes): TfTensor;
  };
  backend(): { commandEncoder: unknown; endComputePassEncoder(): void; submitQueue(): void };
}

export interface TensorFlowPeer extends Peer {
  readonly device: GPUDevice;
  /** Sends what was recorded to the device, which the library by itself does every 15 dispatches. */
  submit(): void;
}

export async function openTensorFlow(adapter: string | undefined): Promise<TensorFlowPeer> {
  const { device, info, check, close } = await openPeerDevice(adapter);
  const tf = load<TensorFlow>("@tensorflow/tfjs-core");
  load("@tensorflow/tfjs-core/dist/register_all_gradients.js"); // the package by itself cannot differentiate
  load("@tensorflow/tfjs-backend-webgpu");
  tf.enableProdMode();
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js has not taken the WebGPU device");
  const submit = (): void => {
    const backend = tf.backend();
    backend.endComputePassEncoder();
    if (backend.commandEncoder) backend.submitQueue();
  };
  const arena = (): Disposable => {
    tf.engine().startScope();
    return { [Symbol.dispose]: () => tf.engine().endScope() };
  };
  return {
    device,
    submit,
    clock: new Clock({ device, capabilities: info, arena, submit }),
    prepare: async (workload, operands) => prepare(tf, workload, operands),
    check,
    close,
  };
}

function prepare(tf: TensorFlow, workload: Workload, { inputs, dy }: Operands): PeerPass {
  const upload = ({ data, shape }: Values): TfTensor => tf.tensor(data, shape);
  const [x, w] = inputs.map(upload);
  const gradient = dy && upload(dy);
  const compute =
    workload.op.name === "conv2d"
      ? convolution(tf, workload, { x, w, dy: gradient, inputs })
      : product(tf, workload, { x, w, dy: gradient });
  return {
    record: compute,
    async result() {
      const y = compute();
      const values = await y.data();
      y.dispose();
      return values;
    },
    dispose() {
      for (const tensor of [x, w, gradient]) tensor?.dispose();
    },
  };
}

interface Uploaded {
  readonly x: TfTensor;
  readonly w: TfTensor;
  readonly dy: TfTensor | null;
}

/**
 * The gradients are called as kernels, which is what its own differentiation calls: that alone would compute the
 * forward pass along with them. Dilated ones it refuses, which the kernels themselves would not notice.
 */
function convolution(
  tf: TensorFlow,
  { pass, shape }: Workload,
  { x, w, dy, inputs }: Uploaded & Pick<Operands, "inputs">,
): () => TfTensor {
  const { stride: strides, padding, dilation } = shape as unknown as ConvShape;
  const [pad] = padding;
  const forward = (image: TfTensor): TfTensor => tf.conv2d(image, w, strides, pad, "NHWC", dilation);
  if (pass === "forward") return () => forward(x);
  if (dilation.some((d) => d > 1)) return () => tf.grad(forward)(x, dy!);
  const window = { strides, pad, dataFormat: "NHWC" };
  const run = (name: string, tensors: Readonly<Record<string, TfTensor>>, attributes: Attributes): TfTensor =>
    tf.engine().runKernel(name, tensors, { ...window, ...attributes });
  return pass === "backwardInput"
    ? () => run("Conv2DBackpropInput", { dy: dy!, filter: w }, { inputShape: inputs[0].shape })
    : () => run("Conv2DBackpropFilter", { x, dy: dy! }, { filterShape: inputs[1].shape });
}

/** Its own differentiation makes the same products of the gradient. */
function product(tf: TensorFlow, { pass, shape }: Workload, { x: a, w: b, dy }: Uploaded): () => TfTensor {
  const { transposeA, transposeB } = shape as unknown as MatmulShape;
  if (pass === "forward") return () => tf.matMul(a, b, transposeA, transposeB);
  if (pass === "backwardInput") {
    return () => (transposeA ? tf.matMul(b, dy!, transposeB, true) : tf.matMul(dy!, b, false, !transposeB));
  }
  return () => (transposeB ? tf.matMul(dy!, a, true, transposeA) : tf.matMul(a, dy!, !transposeA, false));
}
