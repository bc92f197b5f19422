/** Pure shape arithmetic. */

/** Lengths of the axes, outermost first: non-negative integers. */
export type Shape = readonly number[];

/** Two numbers in the order height, width. */
export type Pair = readonly [number, number];

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** Steps between neighbours along each axis of a contiguous array. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** The shape that two operands broadcast to, by NumPy's rule. */
export function broadcastShapes(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new Error(
        `The size of tensor a (${x}) must match the size of tensor b (${y}) at dimension ${i}: ` +
          `shapes ${showShape(a)} and ${showShape(b)} do not broadcast`,
      );
    }
    return x === 1 ? y : x;
  });
}

/** Turns a possibly negative axis into 0..rank-1. A scalar counts as having one axis, as in PyTorch. */
export function normalizeAxis(axis: number, rank: number): number {
  const axes = Math.max(rank, 1);
  const positive = axis < 0 ? axis + axes : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= axes) {
    throw new Error(`Dimension out of range: got ${axis}, expected ${-axes}..${axes - 1}`);
  }
  return positive;
}

/** Output length of a convolution or pooling window along one axis; `ceil` as PyTorch's ceil_mode. */
export function windowOutput(n: number, kernel: number, stride: number, padding: number, dilation = 1, ceil = false): number {
  const span = n + 2 * padding - dilation * (kernel - 1) - 1;
  if (!ceil) return Math.floor(span / stride) + 1;
  const out = Math.ceil(span / stride) + 1;
  return (out - 1) * stride >= n + padding ? out - 1 : out; // the last window must start inside the input or its left padding
}
