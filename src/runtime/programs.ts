/** Compute pipelines: compiled asynchronously, once per kernel, constants and tile sizes; errors show the numbered source. */
import { kernelEntry } from "./kernels.ts";
import type { KernelEntry, KernelName, KernelSource } from "./kernels.ts";
import { applyTune } from "./parse.ts";
import type { BindingAccess } from "./parse.ts";

/** Values for the `@tune` constants of a kernel, by name. */
export type Tune = Readonly<Record<string, number>>;

/** A pipeline on its way or ready, with the layout that its bind groups are made from. */
export interface Program {
  readonly id: number;
  readonly name: KernelName;
  readonly kernel: KernelEntry;
  readonly layout: GPUBindGroupLayout;
  /** Bindings but the params, in the order in which a dispatch hands them over. */
  readonly storage: readonly string[];
  readonly hasParams: boolean;
  readonly ready: Promise<void>;
  pipeline: GPUComputePipeline | null;
}

export class Programs {
  readonly #device: GPUDevice;
  readonly #source: KernelSource;
  readonly #onReady: () => void;
  #ready = 0;
  readonly #modules = new Map<string, { module: GPUShaderModule; source: string }>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  readonly #programs = new Map<string, Program>();

  constructor(device: GPUDevice, source: KernelSource, onReady = (): void => {}) {
    this.#device = device;
    this.#source = source;
    this.#onReady = onReady;
  }

  get count(): number {
    return this.#programs.size;
  }

  /** Of these, those that are compiled. */
  get ready(): number {
    return this.#ready;
  }

  get(name: KernelName, constants: Readonly<Record<string, number | boolean>>, tune: Tune): Program {
    const key = `${name}|${Object.entries(constants)}|${Object.entries(tune)}`;
    const known = this.#programs.get(key);
    if (known) return known;

    const kernel = kernelEntry(name);
    for (const [id, info] of Object.entries(kernel.overrides)) {
      if (!info.optional && constants[id] === undefined) throw new Error(`${name}: constant ${id} is required`);
    }
    for (const [id, value] of Object.entries(constants)) {
      if (!kernel.overrides[id]) throw new Error(`${name}: the kernel has no override ${id}`);
      if (!Number.isFinite(Number(value))) throw new Error(`${name}: constant ${id} is ${value}`);
    }
    for (const feature of kernel.enables) {
      const needed = feature === "f16" ? "shader-f16" : feature;
      if (!this.#device.features.has(needed)) {
        throw new Error(`kernels/${kernel.file}.wgsl needs the feature "${needed}", which this device does not have`);
      }
    }
    const layout = this.#layout(name, kernel);
    const program: Program = {
      id: this.#programs.size,
      name,
      kernel,
      layout: layout.group,
      storage: Object.keys(kernel.bindings).filter((b) => b !== "params"),
      hasParams: "params" in kernel.bindings,
      ready: this.#compile(name, kernel, layout.pipeline, constants, tune).then((pipeline) => {
        program.pipeline = pipeline;
        this.#ready++;
        this.#onReady();
      }),
      pipeline: null,
    };
    program.ready.catch(() => undefined); // reported by the submit that awaits it
    this.#programs.set(key, program);
    return program;
  }

  #layout(name: string, kernel: KernelEntry): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const entries = Object.values(kernel.bindings).map(({ binding, access }): GPUBindGroupLayoutEntry => ({
      binding,
      visibility: 4, // GPUShaderStage.COMPUTE
      ...RESOURCES[access],
    }));
    const key = JSON.stringify(entries);
    let layout = this.#layouts.get(key);
    if (!layout) {
      const group = this.#device.createBindGroupLayout({ label: name, entries });
      layout = { group, pipeline: this.#device.createPipelineLayout({ label: name, bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  async #compile(
    name: string,
    kernel: KernelEntry,
    layout: GPUPipelineLayout,
    constants: Readonly<Record<string, number | boolean>>,
    tune: Tune,
  ): Promise<GPUComputePipeline> {
    const moduleKey = `${kernel.file}|${Object.entries(tune)}`;
    let entry = this.#modules.get(moduleKey);
    if (!entry) {
      const source = applyTune(this.#source(kernel.file), kernel.file, tune);
      entry = { module: this.#device.createShaderModule({ label: kernel.file, code: source }), source };
      this.#modules.set(moduleKey, entry);
    }
    const values = Object.fromEntries(Object.entries(constants).map(([id, v]) => [id, Number(v)]));
    try {
      return await this.#device.createComputePipelineAsync({
        label: name,
        layout,
        compute: { module: entry.module, entryPoint: kernel.entry, constants: values },
      });
    } catch (error) {
      const info = await entry.module.getCompilationInfo();
      throw new Error(compileError(kernel, values, entry.source, info.messages, error));
    }
  }
}

const RESOURCES: Readonly<Record<BindingAccess, Omit<GPUBindGroupLayoutEntry, "binding" | "visibility">>> = {
  uniform: { buffer: { type: "uniform" } },
  read: { buffer: { type: "read-only-storage" } },
  read_write: { buffer: { type: "storage" } },
  texture: { texture: { sampleType: "unfilterable-float" } },
};

function compileError(
  kernel: KernelEntry,
  constants: Record<string, number>,
  source: string,
  messages: readonly GPUCompilationMessage[],
  error: unknown,
): string {
  const errors = messages.filter((m) => m.type === "error");
  const lines = source.split("\n");
  const shown = errors.slice(0, 3).flatMap((m) => [
    `kernels/${kernel.file}.wgsl:${m.lineNum}:${m.linePos}: ${m.message}`,
    ...lines
      .slice(Math.max(0, m.lineNum - 3), m.lineNum + 2)
      .map((line, i) => `${String(Math.max(0, m.lineNum - 3) + i + 1).padStart(5)} | ${line}`),
  ]);
  const reason = shown.length > 0 ? shown.join("\n") : String(error instanceof Error ? error.message : error);
  return `Cannot compile ${kernel.file}.wgsl (${kernel.entry}) with ${JSON.stringify(constants)}:\n${reason}`;
}
