/** Kernels by name; what they are called and what they take is checked by the compiler. */
import { kernelSource } from "mcibi-webgpu/kernels";
import type { KernelFile, KernelName } from "mcibi-webgpu/kernels";
import { Gpu, Tensor } from "mcibi-webgpu/runtime";

/** max(x, 0), and where in every row of it the largest number is. */
export async function rectify(gpu: Gpu, rows: number[][]): Promise<{ values: number[]; places: number[] }> {
  const [count, length] = [rows.length, rows[0].length];
  const x = Tensor.from(gpu, rows.flat(), [count, length]);
  const y = Tensor.empty(gpu, [count, length]);
  const out = Tensor.empty(gpu, [count], "i32");
  const relu: KernelName = "activation.forward";
  gpu.run(relu, { x, y }, { elements: x.size, params: { count: x.size }, constants: { OP: 0 } });
  gpu.run("argmax", { x: y, out }, { elements: count, params: { count, length, inner: 1 } });
  return { values: [...(await y.data())], places: [...(await out.data())] };
}

/** The first line of a kernel's contract. */
export function headline(file: KernelFile): string {
  return kernelSource(file).split("\n", 1)[0];
}

/** What the types are for: nothing of this compiles. */
export function mistakes(gpu: Gpu, x: Tensor): void {
  const call = { elements: 1, params: { count: 1 } };
  // @ts-expect-error there is no such kernel
  gpu.run("activation.sideways", { x, y: x }, call);
  // @ts-expect-error the binding is called x
  gpu.run("dropout", { input: x }, { elements: 1, params: { count: 1, seed: 1, offset: 0, threshold: 0, keep: 1 } });
  // @ts-expect-error the param is called count
  gpu.run("activation.forward", { x, y: x }, { elements: 1, params: { size: 1 }, constants: { OP: 0 } });
  // @ts-expect-error OP has no default
  gpu.run("activation.forward", { x, y: x, dy: x, dx: x }, { ...call, constants: {} });
  // @ts-expect-error there is no such file
  headline("nothing");
}
