/** What `memory.init` can be, besides the path of a file. */
export const MEMORY_INITS = ["first-batch-mean", "random", "random-pixel", "kmeans"] as const;

export type MemoryInit = (typeof MEMORY_INITS)[number];

export function isMemoryInit(value: string): value is MemoryInit {
  return (MEMORY_INITS as readonly string[]).includes(value);
}
