/** Where a run's random masks come from: saving the two numbers and restoring them continues the same sequence. */
export class RandomState {
  readonly seed: number;
  /** Masks drawn so far. */
  counter: number;

  /** @param seed u32 */
  constructor(seed: number, counter = 0) {
    this.seed = seed;
    this.counter = counter;
  }

  /** Key and offset of the next mask for the counter-based generator of ops/dropout. */
  draw(): { seed: number; offset: number } {
    const offset = this.counter;
    this.counter = (this.counter + 1) >>> 0;
    return { seed: this.seed, offset };
  }
}
