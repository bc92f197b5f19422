/** 16-bit floating point numbers: widened to 32 bits, which hold each of them exactly, and narrowed from them. */

/** IEEE 754 binary16, from its bits. */
export function widenHalf(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  });
}

/** bfloat16: the upper half of binary32. */
export function widenBfloat(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (upper) => upper << 16).buffer);
}

/**
 * The nearest IEEE 754 binary16 of each number, as bits; of two equally near ones the even one. What lies beyond the
 * largest, 65504, becomes infinite; NaN stays NaN.
 */
export function narrowHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word, i) => {
    const sign = (word >>> 16) & 0x8000;
    const magnitude = Math.abs(values[i]);
    if (Number.isNaN(magnitude)) return sign | 0x7e00;
    // Below 2^-14 halves are 2^-24 apart; from there on so far that the number is 1024 to 2048 steps.
    const exponent = Math.max(((word >>> 23) & 0xff) - 127, -14);
    const steps = roundToEven(magnitude * 2 ** (10 - exponent));
    // A sum, not an or: where rounding fills the fraction up, it carries into the exponent.
    return sign | Math.min(steps + (exponent + 14) * 1024, 0x7c00);
  });
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
