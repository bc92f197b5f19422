/** Positive numbers on a logarithmic axis. */
export class LogScale {
  readonly domain: readonly [low: number, high: number];
  readonly #range: readonly [number, number];

  /** @param range where the two ends of the domain lie */
  constructor(domain: readonly [low: number, high: number], range: readonly [number, number]) {
    this.domain = domain;
    this.#range = range;
  }

  at(value: number): number {
    const [low, high] = this.domain;
    const [start, end] = this.#range;
    return start + ((end - start) * Math.log(value / low)) / Math.log(high / low);
  }

  /** The powers of ten, and twice and five times them where there are fewer than three. */
  ticks(): number[] {
    const [low, high] = this.domain;
    const inside = (steps: readonly number[]): number[] => {
      const ticks: number[] = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        for (const step of steps) ticks.push(Number(`${step}e${power}`));
      }
      return ticks.filter((tick) => tick >= low && tick <= high);
    };
    const powers = inside([1]);
    return powers.length < 3 ? inside([1, 2, 5]) : powers;
  }
}
