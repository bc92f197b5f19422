/** Another library on the same Dawn and adapter, as the comparison sees it. */
import { createRequire } from "node:module";
import { openDevice } from "../../src/device/open.node.ts";
import type { OpenDevice } from "../../src/device/open.node.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import type { Clock } from "../clock.ts";
import type { Workload } from "../workload.ts";

export interface Values {
  readonly data: Float32Array;
  readonly shape: Shape;
}

/** What a pass reads: both inputs of the product, and the gradient of the output where it is a gradient. */
export interface Operands {
  readonly inputs: readonly [Values, Values];
  readonly dy: Values | null;
}

/** A pass on operands that lie on the device. */
export interface PeerPass {
  /** Computes it once, all results being released at the end of the arena. */
  record(): void;
  /** Computes it and brings the result home, in our layout. */
  result(): Promise<Float32Array>;
  dispose(): void;
}

/** Milliseconds, or why there are none. */
export type PeerResult = { readonly ms: number } | { readonly cannot: string };

export interface Peer {
  readonly clock: Clock;
  /** @throws with the peer's own words where it has no such pass */
  prepare(workload: Workload, operands: Operands): Promise<PeerPass>;
  /** Throws what the device has complained of. */
  check(): void;
  close(): void;
}

/** A device opened as everybody's: no bounds checks in shaders, every feature and limit of the adapter. */
export async function openPeerDevice(adapter: string | undefined): Promise<OpenDevice> {
  const opened = await openDevice({ robustness: false, adapter });
  provideNavigator(opened.device);
  return opened;
}

/** Libraries for browsers ask `navigator.gpu` for their device, and for the adapter's limits and features. */
function provideNavigator(device: GPUDevice): void {
  const { limits, features, adapterInfo: info } = device;
  const adapter = { limits, features, info, requestDevice: async () => device };
  const gpu = { requestAdapter: async () => adapter };
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "Node.js" }, configurable: true });
}

const require = createRequire(import.meta.url);

/** A package from this folder's own node_modules, which the type checker of the project does not see. */
export function load<T>(name: string): T {
  return require(name) as T;
}

/** Axis i of the result is axis `order[i]` of the values. */
export function permuted({ data, shape }: Values, order: readonly number[]): Values {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const to = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const result = new Float32Array(data.length);
  let target = 0;
  const copy = (axis: number, source: number): void => {
    for (let i = 0; i < to[axis]; i++, source += steps[axis]) {
      if (axis === to.length - 1) result[target++] = data[source];
      else copy(axis + 1, source);
    }
  };
  copy(0, 0);
  return { data: result, shape: to };
}
