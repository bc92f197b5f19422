/**
 * A copy of a buffer in a texture, for one dispatch. Texels have what buffers lack on adapters that run on the CPU: a load
 * of four numbers at the price of one. Commands run in the order of their recording, so one texture, as large as the
 * largest need, serves them all.
 */

/** Texels per line. A kernel finds texel t at (t % 4096, t / 4096). */
const WIDTH = 4096;
const TEXEL_BYTES = 16;
const USAGE = 0x04 | 0x02; // TEXTURE_BINDING | COPY_DST

/** The texture; see `Gpu.asTexels`. */
export class Scratch {
  readonly view: GPUTextureView;
  readonly #texture: GPUTexture;

  constructor(device: GPUDevice, lines: number) {
    const size = [WIDTH, lines];
    this.#texture = device.createTexture({ label: "scratch", size, format: "rgba32float", usage: USAGE });
    this.view = this.#texture.createView();
  }

  /** Height in texels. */
  get lines(): number {
    return this.#texture.height;
  }

  /** Size of the memory. */
  get bytes(): number {
    return WIDTH * this.lines * TEXEL_BYTES;
  }

  /** Encodes copying the texels that begin at `offset`, full lines first. */
  fill(encoder: GPUCommandEncoder, { buffer, offset }: { buffer: GPUBuffer; offset: number }, texels: number): void {
    const lines = Math.floor(texels / WIDTH);
    const rest = texels - lines * WIDTH;
    const bytesPerRow = WIDTH * TEXEL_BYTES;
    const texture = this.#texture;
    if (lines > 0) encoder.copyBufferToTexture({ buffer, offset, bytesPerRow }, { texture }, [WIDTH, lines]);
    if (rest === 0) return;
    encoder.copyBufferToTexture({ buffer, offset: offset + lines * bytesPerRow }, { texture, origin: [0, lines] }, [rest]);
  }

  /** Gives the memory back to the device. */
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

  /** Room for `texels`. */
  acquire(texels: number): Scratch {
    const lines = Math.ceil(texels / WIDTH);
    const most = this.#device.limits.maxTextureDimension2D;
    if (lines > most) {
      throw new Error(
        `An operand of ${texels} texels exceeds this device's textures of ${WIDTH} x ${most}. ` +
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
