/**
 * The command list of a step. Dispatches and copies are recorded as plain data while their pipelines compile, then
 * encoded into one command buffer and submitted at once.
 */
import { align } from "./memory.ts";
import { Scratch } from "./scratch.ts";
import type { Storage } from "./memory.ts";
import type { Program } from "./programs.ts";

export interface Dispatch {
  readonly kind: "dispatch";
  readonly program: Program;
  readonly bindings: readonly (Region | Scratch)[];
  /** Index of the params slot in the step's uniform buffer, or -1. */
  readonly slot: number;
  readonly grid: readonly [number, number, number];
}

interface Copy {
  readonly kind: "copy";
  readonly from: Region;
  readonly to: Region;
}

interface Fill {
  readonly kind: "fill";
  readonly from: Region;
  readonly to: Scratch;
  readonly texels: number;
}

interface Clear {
  readonly kind: "clear";
  readonly region: Region;
}

interface Region {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

export type Command = Dispatch | Copy | Fill | Clear;

/** Where the encoder puts timestamps when somebody measures; see profile.ts. */
export interface PassTimer {
  begin(command: Dispatch): GPUComputePassTimestampWrites | undefined;
  end(encoder: GPUCommandEncoder): void;
}

/**
 * Bind groups kept for reuse, the latest used ones. A step of a large network needs a few thousand; each is a memory
 * mapping of its own on Mesa's software driver, and Linux allows a process 65530 of them.
 */
const MOST_GROUPS = 16384;
const SLOT_BYTES = 256; // a multiple of every device's uniform offset alignment

export class Recorder {
  readonly #device: GPUDevice;
  #commands: Command[] = [];
  #params = new ArrayBuffer(SLOT_BYTES * 256);
  /** By content: dispatches with the same params share a slot, and so a bind group where their buffers are the same. */
  readonly #slots = new Map<string, number>();
  #uniform: GPUBuffer | null = null;
  readonly #groups = new Map<string, GPUBindGroup>();
  /** Programs that have been submitted, by id. */
  readonly #started = new Set<number>();
  readonly #ids = new WeakMap<GPUBuffer | Scratch, number>();
  #nextId = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get length(): number {
    return this.#commands.length;
  }

  /** Bind groups kept. */
  get groups(): number {
    return this.#groups.size;
  }

  dispatch(program: Program, resources: readonly (Storage | Scratch)[], params: readonly ParamWord[], grid: readonly [number, number, number]): void {
    this.#commands.push({
      kind: "dispatch",
      program,
      bindings: resources.map((resource) => (resource instanceof Scratch ? resource : region(resource))),
      slot: program.hasParams ? this.#writeParams(params) : -1,
      grid,
    });
  }

  copy(from: Storage, to: Storage, bytes: number, fromOffset = 0, toOffset = 0): void {
    this.#commands.push({
      kind: "copy",
      from: { buffer: from.buffer, offset: from.offset + fromOffset, bytes },
      to: { buffer: to.buffer, offset: to.offset + toOffset, bytes },
    });
  }

  /** Copies into a buffer that is not pooled: a staging buffer for reading back. */
  copyOut(from: Storage, to: GPUBuffer, bytes: number): void {
    this.#commands.push({
      kind: "copy",
      from: { buffer: from.buffer, offset: from.offset, bytes },
      to: { buffer: to, offset: 0, bytes },
    });
  }

  copyToTexels(from: Storage, to: Scratch, texels: number): void {
    this.#commands.push({ kind: "fill", from: region(from), to, texels });
  }

  clear(storage: Storage): void {
    this.#commands.push({ kind: "clear", region: region(storage) });
  }

  /**
   * Encodes everything recorded so far and hands it to the queue in a single submit. Waits for pipelines only.
   *
   * @param onFirstRun told how many programs have run once: then there is a submit up to every program's first dispatch
   * @returns how many submits it took
   */
  async submit(timer: PassTimer | null, onFirstRun: ((programs: number) => void) | null = null): Promise<number> {
    const commands = this.#commands;
    if (commands.length === 0) return 0;
    const params = this.#params.slice(0, this.#slots.size * SLOT_BYTES);
    this.#commands = [];
    this.#slots.clear();
    const waiting = new Set<Promise<void>>();
    for (const c of commands) if (c.kind === "dispatch" && c.program.pipeline === null) waiting.add(c.program.ready);
    if (waiting.size > 0) await Promise.all(waiting);

    const uniform = this.#uploadParams(params);
    const { queue } = this.#device;
    let submits = 1;
    let encoder = this.#device.createCommandEncoder();
    let pass: GPUComputePassEncoder | null = null;
    const endPass = (): void => {
      pass?.end();
      pass = null;
    };
    for (const command of commands) {
      if (command.kind !== "dispatch" || timer) endPass();
      if (command.kind === "dispatch") {
        pass ??= encoder.beginComputePass({ timestampWrites: timer?.begin(command) });
        this.#encode(pass, command, uniform);
        if (this.#started.has(command.program.id)) continue;
        const started = this.#started.add(command.program.id).size;
        if (!onFirstRun || timer) continue;
        endPass();
        queue.submit([encoder.finish()]);
        const failed = (): void => {}; // a device that is lost is reported elsewhere
        queue.onSubmittedWorkDone().then(() => onFirstRun(started), failed);
        submits++;
        encoder = this.#device.createCommandEncoder();
      } else if (command.kind === "copy") {
        const { from, to } = command;
        encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, align(from.bytes, 4));
      } else if (command.kind === "fill") {
        command.to.fill(encoder, command.from, command.texels);
      } else {
        encoder.clearBuffer(command.region.buffer, command.region.offset, align(command.region.bytes, 4));
      }
    }
    endPass();
    timer?.end(encoder);
    queue.submit([encoder.finish()]);
    return submits;
  }

  /** Forgets bind groups of buffers that are gone. */
  forgetGroups(): void {
    this.#groups.clear();
  }

  #encode(pass: GPUComputePassEncoder, { program, bindings, slot, grid }: Dispatch, uniform: GPUBuffer | null): void {
    pass.setPipeline(program.pipeline!);
    pass.setBindGroup(0, this.#group(program, bindings, uniform, slot * SLOT_BYTES));
    pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
  }

  /** Params lie at a fixed offset: for a dynamic one Mesa's software driver copies the whole group at every dispatch. */
  #group(program: Program, bindings: readonly (Region | Scratch)[], uniform: GPUBuffer | null, at: number): GPUBindGroup {
    const ids = bindings.map((b) => (b instanceof Scratch ? this.#id(b) : `${this.#id(b.buffer)}:${b.offset}:${b.bytes}`));
    const key = `${program.id}|${ids}|${program.hasParams ? `${this.#id(uniform!)}:${at}` : ""}`;
    let group = this.#groups.get(key);
    if (group) {
      this.#groups.delete(key); // to the end of the order of use
    } else {
      const info = program.kernel.bindings;
      const entries: GPUBindGroupEntry[] = bindings.map((b, i) => ({
        binding: info[program.storage[i]].binding,
        resource: b instanceof Scratch ? b.view : { buffer: b.buffer, offset: b.offset, size: align(b.bytes, 16) },
      }));
      if (program.hasParams) {
        const resource = { buffer: uniform!, offset: at, size: SLOT_BYTES };
        entries.push({ binding: info.params.binding, resource });
      }
      group = this.#device.createBindGroup({ label: program.name, layout: program.layout, entries });
      if (this.#groups.size >= MOST_GROUPS) this.#groups.delete(this.#groups.keys().next().value!);
    }
    this.#groups.set(key, group);
    return group;
  }

  #id(resource: GPUBuffer | Scratch): number {
    let id = this.#ids.get(resource);
    if (id === undefined) this.#ids.set(resource, (id = this.#nextId++));
    return id;
  }

  #writeParams(words: readonly ParamWord[]): number {
    const next = this.#slots.size;
    if ((next + 1) * SLOT_BYTES > this.#params.byteLength) {
      const larger = new ArrayBuffer(this.#params.byteLength * 2);
      new Uint8Array(larger).set(new Uint8Array(this.#params));
      this.#params = larger;
    }
    const view = new DataView(this.#params, next * SLOT_BYTES, SLOT_BYTES);
    words.forEach(({ type, value }, i) => {
      if (type === "f32") view.setFloat32(4 * i, value, true);
      else if (type === "i32") view.setInt32(4 * i, value, true);
      else view.setUint32(4 * i, value, true);
    });
    const content = new Uint32Array(this.#params, next * SLOT_BYTES, words.length).join();
    const slot = this.#slots.get(content) ?? next;
    this.#slots.set(content, slot);
    return slot;
  }

  #uploadParams(params: ArrayBuffer): GPUBuffer | null {
    if (params.byteLength === 0) return this.#uniform;
    if (this.#uniform === null || this.#uniform.size < params.byteLength) {
      this.#uniform?.destroy(); // earlier submits are done with it: the queue keeps a destroyed buffer until they are
      this.#uniform = this.#device.createBuffer({
        label: "params",
        size: Math.max(params.byteLength, SLOT_BYTES * 256),
        usage: 0x40 | 0x08, // UNIFORM | COPY_DST
      });
      this.#groups.clear();
    }
    this.#device.queue.writeBuffer(this.#uniform, 0, params);
    return this.#uniform;
  }
}

export interface ParamWord {
  readonly type: string;
  readonly value: number;
}

function region(storage: Storage): Region {
  return { buffer: storage.buffer, offset: storage.offset, bytes: storage.bytes };
}
