/** Which kernel with which tile sizes does a piece of work: what the ops decide, and where measurements come in. */
import type { Tune } from "./programs.ts";

/** A kernel file, and values for its constants. */
export interface Choice {
  /** Name of the kernel file. */
  readonly kernel: string;
  /** Its `@tune` constants. */
  readonly tune: Tune;
}

/** What was measured to be best, by the kernel that others may stand in for and the class of the shape. */
export interface Tuned {
  get(kernel: string, shape: string): Choice | undefined;
}

/** One choice that was made. */
export interface Decision {
  readonly kernel: string;
  readonly shape: string;
  /** Kernel files that could serve here. */
  readonly files: readonly string[];
  /** What is taken where nothing was measured. */
  readonly heuristic: Choice;
  readonly choice: Choice;
}
