/**
 * Reads Python pickles of protocols 2 to 5 without running anything: a global is only what the caller's table says
 * it is, and one that is not in the table ends the reading. Values become plain ones: dict -> Map, list and tuple ->
 * array, int -> number or bigint, str -> string, bytes -> Uint8Array.
 * Source of the format: CPython's Lib/pickletools.py.
 */
import { PickleBytes } from "./pickle_bytes.ts";
import type { Fail } from "./pickle_bytes.ts";

/** A function or class that a pickle may call, with what a call yields. */
export class PickleFunction {
  readonly call: (args: readonly unknown[]) => unknown;

  constructor(call: (args: readonly unknown[]) => unknown) {
    this.call = call;
  }
}

/** An object to which a pickle may hand a state, as `__setstate__` would take it. */
export interface Stateful {
  setState(state: unknown): void;
}

export interface PickleWorld {
  /** What `module.name` stands for; undefined for what is not allowed. */
  readonly globals: ReadonlyMap<string, unknown>;
  /** The object behind a persistent id. */
  readonly persistent: (id: unknown) => unknown;
  /** Throws the error of the file that the pickle is in. */
  readonly fail: Fail;
}

/** Far above any checkpoint (some 30 steps a tensor), far below what would fill a memory. */
const MAX_STEPS = 1_000_000;
const MAX_STACK = 65_536;
const MAX_MARKS = 1000;

/**
 * Reads the pickle that begins at `start`.
 *
 * @returns its value, and where the byte after it is
 * @throws what `fail` throws, when the pickle is damaged, asks for more than it may, or exceeds the limits above
 */
export function unpickle(bytes: Uint8Array, start: number, world: PickleWorld): { value: unknown; end: number } {
  const machine = new Machine(bytes, start, world);
  const value = machine.run();
  return { value, end: machine.position };
}

/** What a value is, for errors. */
export function describeValue(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === undefined ? "nothing" : "an object";
}

class Machine {
  readonly #bytes: PickleBytes;
  readonly #world: PickleWorld;
  readonly #fail: Fail;
  readonly #stack: unknown[] = [];
  /** Heights of the stack at its marks. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();

  constructor(bytes: Uint8Array, start: number, world: PickleWorld) {
    this.#world = world;
    this.#fail = (problem) => world.fail(`damaged or hostile pickle, byte ${this.position}: ${problem}`);
    this.#bytes = new PickleBytes(bytes, start, this.#fail);
  }

  get position(): number {
    return this.#bytes.position;
  }

  run(): unknown {
    if (this.#bytes.u8() !== 0x80) this.#fail("it does not begin with a protocol number");
    const protocol = this.#bytes.u8();
    if (protocol < 2 || protocol > 5) this.#fail(`protocol ${protocol}, expected 2 to 5`);
    for (let step = 0; step < MAX_STEPS; step++) {
      const opcode = this.#bytes.u8();
      if (opcode === 0x2e) return this.#stop();
      this.#execute(opcode);
      if (this.#stack.length > MAX_STACK) this.#fail(`more than ${MAX_STACK} values are nested or side by side`);
    }
    return this.#fail(`more than ${MAX_STEPS} steps`);
  }

  #stop(): unknown {
    if (this.#stack.length !== 1 || this.#marks.length > 0) this.#fail(`it ends with ${this.#stack.length} values`);
    return this.#stack[0];
  }

  #execute(opcode: number): void {
    switch (opcode) {
      case 0x95: // FRAME
        return void this.#bytes.length8();
      case 0x28: // MARK
        if (this.#marks.push(this.#stack.length) > MAX_MARKS) this.#fail(`more than ${MAX_MARKS} levels deep`);
        return;
      case 0x30: // POP
        return void this.#pop();
      case 0x31: // POP_MARK
        return void this.#popMark();
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4a: // BININT
        return this.#push(this.#bytes.i32());
      case 0x4b: // BININT1
        return this.#push(this.#bytes.u8());
      case 0x4d: // BININT2
        return this.#push(this.#bytes.u16());
      case 0x8a: // LONG1
        return this.#push(this.#bytes.integer(this.#bytes.u8()));
      case 0x8b: // LONG4
        return this.#push(this.#bytes.integer(this.#bytes.u32()));
      case 0x47: // BINFLOAT
        return this.#push(this.#bytes.f64());
      case 0x55: // SHORT_BINSTRING, a str of Python 2
        return this.#push(this.#bytes.latin1(this.#bytes.u8()));
      case 0x54: // BINSTRING
        return this.#push(this.#bytes.latin1(this.#bytes.u32()));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#bytes.utf8(this.#bytes.u8()));
      case 0x58: // BINUNICODE
        return this.#push(this.#bytes.utf8(this.#bytes.u32()));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#bytes.utf8(this.#bytes.length8()));
      case 0x43: // SHORT_BINBYTES
        return this.#push(this.#bytes.raw(this.#bytes.u8()));
      case 0x42: // BINBYTES
        return this.#push(this.#bytes.raw(this.#bytes.u32()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#bytes.raw(this.#bytes.length8()));
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return this.#push([]);
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(this.#popMany(opcode - 0x84));
      case 0x74: // TUPLE
        return this.#push(this.#popMark());
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map());
      case 0x61: // APPEND
        return this.#append(this.#popMany(1));
      case 0x65: // APPENDS
        return this.#append(this.#popMark());
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMark());
      case 0x68: // BINGET
        return this.#push(this.#recall(this.#bytes.u8()));
      case 0x6a: // LONG_BINGET
        return this.#push(this.#recall(this.#bytes.u32()));
      case 0x71: // BINPUT
        return void this.#memo.set(this.#bytes.u8(), this.#top());
      case 0x72: // LONG_BINPUT
        return void this.#memo.set(this.#bytes.u32(), this.#top());
      case 0x94: // MEMOIZE
        return void this.#memo.set(this.#memo.size, this.#top());
      case 0x63: // GLOBAL
        return this.#push(this.#global(this.#bytes.line(), this.#bytes.line()));
      case 0x93: // STACK_GLOBAL
        return this.#push(this.#global(...(this.#popMany(2) as [unknown, unknown])));
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        return this.#call();
      case 0x62: // BUILD
        return this.#build();
      case 0x51: // BINPERSID
        return this.#push(this.#world.persistent(this.#pop()));
      default:
        this.#fail(`instruction 0x${opcode.toString(16)}, which nothing that PyTorch saves needs`);
    }
  }

  #global(module: unknown, name: unknown): unknown {
    if (typeof module !== "string" || typeof name !== "string") return this.#fail("a global without a name");
    const path = `${module}.${name}`;
    const found = this.#world.globals.get(path);
    if (found !== undefined) return found;
    return this.#world.fail(
      `it refers to ${JSON.stringify(path.slice(0, 200)).slice(1, -1)}, which is neither tensor nor plain data; ` +
        "such files can run programs when Python loads them and are not read here. Save the state_dict alone",
    );
  }

  #call(): void {
    const [callee, args] = this.#popMany(2);
    if (!(callee instanceof PickleFunction)) return this.#fail(`a call of ${describeValue(callee)}`);
    if (!Array.isArray(args)) return this.#fail(`a call with ${describeValue(args)} as its arguments`);
    this.#push(callee.call(args));
  }

  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    // The attributes of an OrderedDict, such as the _metadata of a state_dict, are of no use here.
    if (target instanceof Map) return;
    if (!isStateful(target)) return this.#fail(`a state for ${describeValue(target)}`);
    target.setState(state);
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) return this.#fail(`an item for ${describeValue(list)}, expected a list`);
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map)) return this.#fail(`an item for ${describeValue(dict)}, expected a dict`);
    if (items.length % 2 !== 0) this.#fail("a key without a value");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  /** Values above the last mark are all that an instruction may touch. */
  get #available(): number {
    return this.#stack.length - (this.#marks.at(-1) ?? 0);
  }

  #top(): unknown {
    if (this.#available < 1) this.#fail("nothing is on the stack");
    return this.#stack[this.#stack.length - 1];
  }

  #pop(): unknown {
    return this.#popMany(1)[0];
  }

  #popMany(count: number): unknown[] {
    if (this.#available < count) this.#fail(`${count} values wanted from a stack of ${this.#available}`);
    return this.#stack.splice(this.#stack.length - count);
  }

  #popMark(): unknown[] {
    const height = this.#marks.pop();
    if (height === undefined) return this.#fail("no mark is on the stack");
    return this.#stack.splice(height);
  }

  #recall(key: number): unknown {
    if (!this.#memo.has(key)) this.#fail(`memo ${key} is empty`);
    return this.#memo.get(key);
  }
}

function isStateful(value: unknown): value is Stateful {
  return typeof value === "object" && value !== null && "setState" in value && typeof value.setState === "function";
}
