/**
 * Recomputation: a part of the graph keeps none of its values and is recorded again when its gradient arrives. The new
 * recording ends in the same nodes and leaves as the first, so that gradients flow, and add up, as they would have.
 */
import { createNode, nextSerial, topologicalOrder } from "./tape.ts";
import type { Node } from "./tape.ts";

/** The runs of a part, the innermost being `current`. Synchronous code only. */
export class Part {
  static #current: Part | null = null;
  /** Of `once`, in order. */
  readonly #results: unknown[] = [];
  /** Results that a repetition has used; null in the first run. */
  #used: number | null = null;
  #outer: Part | null = null;

  /** Whether what runs now has run before. */
  static get isRepeated(): boolean {
    let part = Part.#current;
    while (part && part.#used === null) part = part.#outer;
    return part !== null;
  }

  static once<T>(effect: () => T): T {
    return Part.#current ? Part.#current.#once(effect) : effect();
  }

  first<T>(fn: () => T): T {
    return this.#enter(fn, null);
  }

  again<T>(fn: () => T): T {
    return this.#enter(fn, 0);
  }

  #enter<T>(fn: () => T, used: number | null): T {
    this.#outer = Part.#current;
    this.#used = used;
    Part.#current = this;
    try {
      return fn();
    } finally {
      Part.#current = this.#outer;
      this.#outer = null;
    }
  }

  #once<T>(effect: () => T): T {
    if (this.#used !== null) return this.#results[this.#used++] as T;
    const result = this.#outer ? this.#outer.#once(effect) : effect();
    this.#results.push(result);
    return result;
  }
}

/**
 * Runs `effect` and returns its result; where a checkpoint repeats its part, only returns what it returned the first
 * time. For what must not happen twice: drawing random numbers, counting.
 */
export function once<T>(effect: () => T): T {
  return Part.once(effect);
}

/** Whether a checkpoint is repeating its part: then state outside of it has to stay as it is. */
export function isRepeated(): boolean {
  return Part.isRepeated;
}

export interface CheckpointOptions<V> {
  /** Where the part ends; null for what takes no gradient. */
  readonly inputs: Node<V>["inputs"];
  /** The serial that came next when the part began. */
  readonly since: number;
  /** Records the part again and returns the node of its result. */
  readonly again: () => Node<V> | null;
  /** Released before that. */
  readonly owned: readonly V[];
}

/** A node in the place of the part of the graph that `root` is the result of. */
export function createCheckpoint<V>(root: Node<V>, { inputs, since, again, owned }: CheckpointOptions<V>): Node<V> {
  const first = partBelow(root, inputs, since);
  const namesOf = (nodes: readonly Node<V>[]): string => nodes.map(({ name }) => name).join(", ");
  const expand = (): Node<V> => {
    const begin = nextSerial();
    const repeated = again();
    const names = repeated ? namesOf(partBelow(repeated, inputs, begin)) : "nothing";
    if (!repeated || names !== namesOf(first)) {
      throw new Error(
        `checkpoint: the function did something else the second time: ${names} instead of ${namesOf(first)}. ` +
          "It has to do the same whenever it runs; modes and options may not change between forward and backward.",
      );
    }
    return repeated;
  };
  const check = (): void => first.forEach((node) => node.check?.());
  return createNode("checkpoint", inputs, () => [], owned, { check, expand });
}

function partBelow<V>(root: Node<V>, inputs: Node<V>["inputs"], since: number): Node<V>[] {
  const part = topologicalOrder(root, inputs);
  const outside = part.find(({ serial }) => serial < since);
  if (!outside) return part;
  throw new Error(
    `checkpoint: the function uses a result of ${outside.name} from outside that requires grad and is not among its ` +
      "inputs. Pass it as one, or detach() it.",
  );
}
