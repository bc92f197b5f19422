import { readFileSync } from "node:fs";
import type { KernelSource } from "./kernels.ts";

/** Kernel text from the kernels/ folder of this package. */
export const kernelsOnDisk: KernelSource = (file) =>
  readFileSync(new URL(`../../kernels/${file}.wgsl`, import.meta.url), "utf8");
