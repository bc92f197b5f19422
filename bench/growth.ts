/** How fast a cost grows with what it depends on. */
import { short } from "./report.ts";
import { bytes } from "./step_report.ts";

/** What one size of a series costs. */
export interface Cost {
  readonly size: number;
  readonly ms: number;
  readonly bytes: number;
}

/** All relative to the first point. */
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

type Points = readonly (readonly [x: number, y: number])[];

/** e of y = a · x^e: least squares in logarithms. NaN for fewer than two different x. */
export function fitExponent(points: Points): number {
  return leastSquares(points.map(([x, y]) => [Math.log(x), Math.log(y)])).slope;
}

/** y = a + b·x by least squares: the share of a in the first point, and how far y lies off at most, relative to it. */
export function fitLine(points: Points): { readonly fixed: number; readonly off: number } {
  const { base, slope } = leastSquares(points);
  const [[, first]] = points;
  return { fixed: base / first, off: Math.max(...points.map(([x, y]) => Math.abs((base + slope * x) / y - 1))) };
}

function leastSquares(points: Points): { readonly base: number; readonly slope: number } {
  const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = covariance / variance;
  return { base: meanY - slope * meanX, slope };
}

/** A series in words: the first point, each later one against it, and what fits all of them. */
export function describeGrowth(axis: string, costs: readonly Cost[]): string[] {
  const [first] = costs;
  const factors = growth(costs).map(({ size, time, memory }) => {
    return `x${short(size)} ${axis}: x${short(time)} time, x${short(memory)} memory`;
  });
  const fit = (what: string, points: Points): string => {
    const { fixed, off } = fitLine(points);
    const share = Math.round(100 * fixed) < 0 ? "below 0" : `${percent(fixed)} of the first`;
    const line = `a + b·${axis} within ${percent(off)}, a being ${share}`;
    return `${what}: exponent ${fitExponent(points).toFixed(2)}; ${line}`;
  };
  return [
    `${first.size} ${axis}: ${short(first.ms)} ms, ${bytes(first.bytes)}`,
    ...factors,
    fit("time", costs.map(({ size, ms }) => [size, ms])),
    fit("memory", costs.map(({ size, bytes: held }) => [size, held])),
  ];
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
