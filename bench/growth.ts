/** How fast a cost grows with what it depends on. */
import { short } from "./report.ts";
import { bytes } from "./step_report.ts";

/** What one size of a series costs. */
export interface Cost {
  readonly size: number;
  readonly ms: number;
  readonly bytes: number;
}

/** All relative to the smallest size. */
export interface Growth {
  readonly size: number;
  readonly time: number;
  readonly memory: number;
}

/** The later points of a series against its first one. */
export function growth([first, ...later]: readonly Cost[]): Growth[] {
  return later.map(({ size, ms, bytes: memory }) => {
    return { size: size / first.size, time: ms / first.ms, memory: memory / first.bytes };
  });
}

/** e of y = a · x^e: least squares in logarithms. NaN for fewer than two different x. */
export function fitExponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const meanOf = (axis: 0 | 1): number => logs.reduce((sum, log) => sum + log[axis], 0) / logs.length;
  const [meanX, meanY] = [meanOf(0), meanOf(1)];
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return covariance / variance;
}

/** A series in words: the first point, each later one against it, and the fitted exponents. */
export function describeGrowth(axis: string, costs: readonly Cost[]): string[] {
  const [first] = costs;
  const factors = growth(costs).map(({ size, time, memory }) => {
    return `x${short(size)} ${axis}: x${short(time)} time, x${short(memory)} memory`;
  });
  const time = fitExponent(costs.map(({ size, ms }) => [size, ms]));
  const memory = fitExponent(costs.map(({ size, bytes: held }) => [size, held]));
  return [
    `${first.size} ${axis}: ${short(first.ms)} ms, ${bytes(first.bytes)}`,
    ...factors,
    `exponent of ${axis}: ${time.toFixed(2)} in time, ${memory.toFixed(2)} in memory`,
  ];
}
