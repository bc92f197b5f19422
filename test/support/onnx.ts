/** Running exported models in ONNX Runtime. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import type { Shape } from "../../src/tensor/shape.ts";

type Runtime = typeof import("onnxruntime-web");

export interface Numbers {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** A model that is ready to run: outputs by name. */
export type Run = (inputs: Readonly<Record<string, Numbers>>) => Promise<Record<string, Numbers>>;

/** Null, with a line that says so, where the package is not installed. */
export async function onnxRuntime(purpose: string): Promise<((model: Uint8Array) => Promise<Run>) | null> {
  const runtime = await import("onnxruntime-web").catch(() => null);
  if (!runtime) {
    console.log(`skipped: ${purpose} (onnxruntime-web is not installed)`);
    return null;
  }
  runtime.env.wasm.numThreads = 1; // threads of the runtime would keep the process alive
  return async (model) => running(runtime, await runtime.InferenceSession.create(model, { logSeverityLevel: 3 }));
}

function running(runtime: Runtime, session: InferenceSession): Run {
  return async (inputs) => {
    const feeds = Object.entries(inputs).map(([name, { data, shape }]) => {
      return [name, new runtime.Tensor("float32", data, shape)] as const;
    });
    const outputs = Object.entries(await session.run(Object.fromEntries(feeds)));
    const numbers = ({ data, dims }: OrtTensor): Numbers => ({ data: data as Float32Array, shape: dims });
    return Object.fromEntries(outputs.map(([name, tensor]) => [name, numbers(tensor)]));
  };
}
