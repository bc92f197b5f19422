/** How features that fill a slot are weighed; see `updateMemory`. */
export type MemoryStrategy = "cosine_similarity" | "mean";

/** Of `updateMemory`. */
export interface MemoryUpdateOptions {
  /** Weight of the new value, 0..1. */
  readonly momentum: number;
  /** What a class moves towards: the mean of its pixels, or their average weighted by 1 - cosine to the memory. */
  readonly strategy: MemoryStrategy;
  /** Label of pixels that belong to no class. Any other label outside 0..K-1 is skipped like it. */
  readonly ignoreIndex: number;
  /** How the features are resized to the labels. */
  readonly alignCorners?: boolean;
  /**
   * What becomes of a slot that no pixel of its class chose (more than one slot per class): it stays, or it shrinks
   * to (1 - momentum) of itself as in the official code.
   */
  readonly unassigned?: "keep" | "decay";
  /** Leaves out pixels whose feature vector is shorter than 1e-6, which else pull their class towards 0. */
  readonly skipZeroFeatures?: boolean;
}
