/** ONNX Runtime: natively on the CPU, and compiled to WebAssembly over WebGPU. */
import { load, openPeerDevice } from "./peer.ts";
import type { Values } from "./peer.ts";

/** As much of onnxruntime-node and onnxruntime-web as the comparison needs. */
interface OnnxRuntime {
  readonly InferenceSession: { create(model: Uint8Array, options: SessionOptions): Promise<Session> };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => unknown;
  readonly env: { readonly wasm: { numThreads: number } };
}

interface SessionOptions {
  readonly executionProviders: readonly string[];
  readonly intraOpNumThreads?: number;
  readonly logSeverityLevel?: number;
}

interface Session {
  run(inputs: Readonly<Record<string, unknown>>): Promise<{ readonly logits: { readonly data: Float32Array } }>;
}

/** Computes the logits at the size of the images, from numbers in memory to numbers in memory. */
export type Evaluate = () => Promise<Float32Array>;

export interface OnnxPeers {
  readonly cpu: Evaluate;
  readonly webgpu: Evaluate;
  /** Throws what the device has complained of. */
  check(): void;
  close(): void;
}

/** As many as the machines have that this is measured on. */
const THREADS = 2;
/** The least severe messages that it prints. */
const ERRORS = 3;

/** @param image in NCHW */
export async function openOnnxRuntime(
  adapter: string | undefined,
  model: Uint8Array,
  image: Values,
): Promise<OnnxPeers> {
  const { check, close } = await openPeerDevice(adapter);
  const evaluation = (name: string, options: SessionOptions): Evaluate => {
    let opened: Promise<{ session: Session; input: unknown }> | null = null;
    const open = async () => {
      const { InferenceSession, Tensor, env } = load<OnnxRuntime>(name);
      env.wasm.numThreads = 1; // for what the GPU leaves over; more would keep the process alive
      const session = await InferenceSession.create(model, { ...options, logSeverityLevel: ERRORS });
      return { session, input: new Tensor("float32", image.data, image.shape) };
    };
    return async () => {
      const { session, input } = await (opened ??= open());
      return (await session.run({ image: input })).logits.data;
    };
  };
  return {
    cpu: evaluation("onnxruntime-node", { executionProviders: ["cpu"], intraOpNumThreads: THREADS }),
    webgpu: evaluation("onnxruntime-web/webgpu", { executionProviders: ["webgpu"] }),
    check,
    close,
  };
}
