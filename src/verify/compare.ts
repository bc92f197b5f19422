/** Whether a result is what a fixture says. */
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Tolerance } from "./fixture.ts";
import type { HostArray } from "./layout.ts";

/** Why a result is wrong; of several wrong elements, the one farthest beyond the tolerance. */
export interface Mismatch {
  readonly tensor: string;
  readonly problem: string;
  readonly wrong?: number;
  readonly worst?: {
    readonly index: readonly number[];
    readonly got: number;
    readonly want: number;
    readonly allowed: number;
  };
}

/** Null where every element is within its tolerance, and NaN or infinite where it should be. */
export function compare(
  tensor: string,
  got: HostArray | undefined,
  want: HostArray,
  [rtol, atol]: Tolerance,
): Mismatch | null {
  if (!got) return { tensor, problem: "we compute no such result" };
  if (!sameShape(got.shape, want.shape)) {
    return { tensor, problem: `the shape is ${showShape(got.shape)}, expected ${showShape(want.shape)}` };
  }
  let wrong = 0;
  let worst = 0;
  let excess = -1;
  for (let i = 0; i < want.data.length; i++) {
    const beyond = excessOf(got.data[i], want.data[i], rtol, atol);
    if (beyond <= 0) continue;
    wrong++;
    if (beyond <= excess) continue;
    excess = beyond;
    worst = i;
  }
  if (wrong === 0) return null;
  const values = { got: got.data[worst], want: want.data[worst] };
  const index = unravel(worst, want.shape);
  const allowed = atol + rtol * Math.abs(values.want);
  const problem =
    `[${index.join(", ")}] is ${values.got}, expected ${values.want} (tolerance ${allowed.toPrecision(3)}: ` +
    `atol ${atol}, rtol ${rtol}); ${wrong} of ${want.data.length} are wrong, shape ${showShape(want.shape)}`;
  return { tensor, problem, wrong, worst: { index, ...values, allowed } };
}

/** How far beyond the tolerance; infinite where one is finite and the other is not. */
function excessOf(got: number, want: number, rtol: number, atol: number): number {
  if (got === want) return 0;
  if (Number.isNaN(got) && Number.isNaN(want)) return 0;
  if (!Number.isFinite(want) || !Number.isFinite(got)) return Infinity;
  return Math.abs(got - want) - (atol + rtol * Math.abs(want));
}

function unravel(flat: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  for (const n of shape.toReversed()) {
    index.unshift(flat % n);
    flat = Math.floor(flat / n);
  }
  return index;
}

/** Of the words that PyTorch's message is made of, this share must be in ours. */
const SHARED_WORDS = 0.5;

/**
 * Whether an error says in essence what PyTorch's does: the same words, whatever the numbers (in shapes, our axes have
 * another order). `expected` is PyTorch's, "Type: message"; without a message any deliberate error will do.
 */
export function sameComplaint(error: Error, expected: string): boolean {
  if (error instanceof TypeError || error instanceof ReferenceError) return false; // a bug, no answer to the input
  const wanted = words(expected.replace(/^\w+: ?/, ""));
  const found = new Set(words(error.message));
  return wanted.filter((word) => found.has(word)).length >= wanted.length * SHARED_WORDS;
}

const words = (text: string): string[] => text.toLowerCase().match(/[a-z_]{3,}/g) ?? [];
