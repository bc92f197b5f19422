/** Damaged files for the readers' tests: deterministic, so that a failure can be repeated by its number. */

/** Uniform numbers in [0, 1) from a small linear congruential generator. */
export function pseudoRandom(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A copy with a few bytes changed, cut out, doubled, or the end missing, according to `number`. */
export function mutate(bytes: Uint8Array, number: number): Uint8Array {
  const random = pseudoRandom(number);
  const at = () => Math.floor(random() * bytes.length);
  const kind = number % 4;
  if (kind === 0) return bytes.slice(0, at());
  if (kind === 1) {
    const [from, to] = [at(), at()].sort((a, b) => a - b);
    return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(to)]);
  }
  if (kind === 2) {
    const [from, to] = [at(), at()].sort((a, b) => a - b);
    return Uint8Array.from([...bytes.subarray(0, to), ...bytes.subarray(from)]);
  }
  const copy = bytes.slice();
  for (let i = 0; i <= random() * 4; i++) copy[at()] = Math.floor(random() * 256);
  return copy;
}
