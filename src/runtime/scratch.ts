/**
 * A texture that one dispatch fills and the next one reads, such as an operand in another order. Texels have what buffers
 * lack on adapters that run on the CPU: a load of four numbers at the price of one. Dispatches run in the order of their
 * recording, so one texture, as large as the largest need, serves them all.
 */

/** Texels per line. A kernel finds texel t at (t % 4096, t / 4096). */
export const SCRATCH_WIDTH = 4096;
const TEXEL_BYTES = 16;
const USAGE = 0x04 | 0x08; // TEXTURE_BINDING | STORAGE_BINDING

export class Scratch {
  readonly view: GPUTextureView;
  readonly #texture: GPUTexture;

  constructor(device: GPUDevice, lines: number) {
    const size = [SCRATCH_WIDTH, lines];
    this.#texture = device.createTexture({ label: "scratch", size, format: "rgba32float", usage: USAGE });
    this.view = this.#texture.createView();
  }

  get lines(): number {
    return this.#texture.height;
  }

  get bytes(): number {
    return SCRATCH_WIDTH * this.lines * TEXEL_BYTES;
  }

  destroy(): void {
    this.#texture.destroy();
  }
}

/** Hands out the scratch texture, and replaces it by a larger one where that is needed. */
export class ScratchOwner {
  readonly #device: GPUDevice;
  #current: Scratch | null = null;
  /** Replaced since the last submit; commands recorded before may still use them. */
  #retired: Scratch[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get bytes(): number {
    return this.#current?.bytes ?? 0;
  }

  /** Room for `texels`; valid until the next dispatch that fills it. */
  acquire(texels: number): Scratch {
    const lines = Math.ceil(texels / SCRATCH_WIDTH);
    const most = this.#device.limits.maxTextureDimension2D;
    if (lines > most) {
      throw new Error(
        `An operand of ${texels} texels exceeds this device's textures of ${SCRATCH_WIDTH} x ${most}. ` +
          "Use a smaller batch, crop or resolution, or the variant tiled.",
      );
    }
    if (this.#current && this.#current.lines >= lines) return this.#current;
    const grown = Math.min(most, Math.max(lines, 2 * (this.#current?.lines ?? 0)));
    this.drop();
    return (this.#current = new Scratch(this.#device, grown));
  }

  /** Lets go of the texture; `seal` says when it is gone. */
  drop(): void {
    if (this.#current) this.#retired.push(this.#current);
    this.#current = null;
  }

  /** Call when the commands recorded so far are about to be submitted, and the returned function once they are. */
  seal(): () => void {
    const retired = this.#retired;
    this.#retired = [];
    return () => retired.forEach((scratch) => scratch.destroy());
  }
}
