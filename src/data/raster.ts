/** Samples of an image or a label map. */
export type Samples = Uint8Array | Int32Array | Float32Array;

/** `[height, width, channels]`, row-major. A label map has one channel, an image three. */
export interface Raster<T extends Samples = Samples> {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: T;
}

/** A rectangle of pixels. */
export interface Window {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Height and width, in this order everywhere. */
export type Size = readonly [height: number, width: number];

/** An array of the same type, of another length. A Buffer counts as Uint8Array: its own constructor is deprecated. */
export function emptyLike<T extends Samples>(data: T, length: number): T {
  if (data instanceof Uint8Array) return new Uint8Array(length) as unknown as T;
  return new (data.constructor as new (length: number) => T)(length);
}

/** The pixels of `window`, which lies within the raster. */
export function crop<T extends Samples>({ width, channels, data }: Raster<T>, window: Window): Raster<T> {
  const out = emptyLike(data, window.height * window.width * channels);
  for (let y = 0; y < window.height; y++) {
    const start = ((window.top + y) * width + window.left) * channels;
    out.set(data.subarray(start, start + window.width * channels), y * window.width * channels);
  }
  return { height: window.height, width: window.width, channels, data: out };
}
