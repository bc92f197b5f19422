/** What the runners of the families have in common. */
import type { Gpu } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { FixtureCase, FixtureFile, Tolerance } from "./fixture.ts";
import type { HostArray, Layout } from "./layout.ts";
import { plain } from "./layout.ts";

/** Results under the names that the case expects. */
export type Results = Map<string, HostArray>;

/** What has to come out where PyTorch's or the official result is no target. */
export interface OwnRule {
  readonly results: Results;
  /** In place of what the case expects. */
  readonly expected: ReadonlyMap<string, { readonly want: HostArray; readonly tolerance: Tolerance }>;
  /** Why, and what is right then, as users read it. */
  readonly rule: string;
}

/** Computes what a case expects with what this library is made of. Throws Skip, or what the operation throws. */
export type Runner = (session: Session, item: FixtureCase) => Results | OwnRule | Promise<Results | OwnRule>;

export interface Session {
  readonly gpu: Gpu;
  /** The file NAME of the same folder as `file`, and NAME_2, NAME_3, ... that continue it. */
  parts(file: FixtureFile, name: string): readonly FixtureFile[];
  /** Computes a value once for all cases that share it. */
  once<T>(key: string, compute: () => Promise<T>): Promise<T>;
}

/** Thrown for a case that is not to be run; the message is the reason, as users read it. */
export class Skip extends Error {
  override name = "Skip";
}

export function upload(gpu: Gpu, array: HostArray, layout: Layout = plain): Tensor {
  const { shape, data } = layout.into(array);
  return Tensor.from(gpu, data, shape);
}

export async function download(tensor: Tensor, layout: Layout = plain): Promise<HostArray> {
  return layout.from({ shape: tensor.shape, data: await tensor.data() });
}
