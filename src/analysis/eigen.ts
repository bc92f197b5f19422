export interface Eigen {
  /** In descending order. */
  readonly values: Float64Array;
  /** Unit vectors in the order of their values. */
  readonly vectors: readonly Float64Array[];
}

const MOST_SWEEPS = 60;
/** Relative to the matrix: what is left off the diagonal. */
const TOLERANCE = 1e-15;

/**
 * Eigenvalues and eigenvectors of a symmetric matrix [n, n] by cyclic Jacobi rotations (Golub and Van Loan, Matrix
 * Computations, 4th edition, section 8.5). Of each vector the component of largest magnitude is positive.
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const a = matrix.slice();
  const rows = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  const norm = Math.hypot(1e-300, Math.sqrt(a.reduce((sum, value) => sum + value * value, 0)));
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let isDone = true;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p * n + q]) <= (TOLERANCE * norm) / n) continue;
        isDone = false;
        rotate(a, n, p, q, rows);
      }
    }
    if (isDone) break;
  }
  const order = rows.map((_, i) => i).sort((i, j) => a[j * n + j] - a[i * n + i]);
  return { values: Float64Array.from(order, (i) => a[i * n + i]), vectors: order.map((i) => oriented(rows[i])) };
}

/** Makes a[p][q] zero; `vectors` are rotated along. */
function rotate(a: Float64Array, n: number, p: number, q: number, vectors: readonly Float64Array[]): void {
  const tau = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
  const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
  const c = 1 / Math.sqrt(1 + t * t);
  const s = t * c;
  for (let i = 0; i < n; i++) {
    const [ip, iq] = [a[i * n + p], a[i * n + q]];
    a[i * n + p] = c * ip - s * iq;
    a[i * n + q] = s * ip + c * iq;
  }
  for (let i = 0; i < n; i++) {
    const [pi, qi] = [a[p * n + i], a[q * n + i]];
    a[p * n + i] = c * pi - s * qi;
    a[q * n + i] = s * pi + c * qi;
  }
  const [vp, vq] = [vectors[p], vectors[q]];
  for (let i = 0; i < n; i++) {
    const [pi, qi] = [vp[i], vq[i]];
    vp[i] = c * pi - s * qi;
    vq[i] = s * pi + c * qi;
  }
}

function oriented(vector: Float64Array): Float64Array {
  const largest = vector.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  return largest < 0 ? vector.map((value) => -value) : vector;
}
