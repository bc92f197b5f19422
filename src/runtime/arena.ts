/// <reference lib="esnext.disposable" preserve="true" />
/** Ownership of what a step makes. */

// Not every browser that has WebGPU has this; what compilers make of `using` asks for it.
(Symbol as { dispose?: symbol }).dispose ??= Symbol.for("Symbol.dispose");

/** What an arena can own. */
export interface Ownable {
  dispose(): void;
}

/** Owns what is created while it is the innermost arena, and releases it when it ends. */
export class Arena {
  readonly #onEnd: (arena: Arena) => void;
  readonly #owned = new Set<Ownable>();

  /** @param onEnd told before the values are released */
  constructor(onEnd: (arena: Arena) => void) {
    this.#onEnd = onEnd;
  }

  /** Releases the value when the arena ends. */
  own(value: Ownable): void {
    this.#owned.add(value);
  }

  /** Takes a value out, so that it outlives the arena. */
  disown(value: Ownable): boolean {
    return this.#owned.delete(value);
  }

  /** Ends the arena and releases what it owns. */
  [Symbol.dispose](): void {
    this.#onEnd(this);
    for (const value of this.#owned) value.dispose();
    this.#owned.clear();
  }
}
