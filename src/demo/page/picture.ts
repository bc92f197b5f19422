/** Pictures between the canvas, which has RGBA, and the network, which takes RGB. */
import type { Sample } from "../../data/sample.ts";
import { UserError } from "../../errors.ts";
import type { Picture } from "../network.ts";
import { canvasOf, contextOf } from "./dom.ts";

/** A picture to be shown and segmented. */
export interface Shown {
  readonly name: string;
  readonly canvas: HTMLCanvasElement;
  readonly picture: Picture;
  /** Train ids of the street scenes where they are known. */
  readonly label: Uint8Array | null;
  /** One of many that follow each other. */
  readonly isLive: boolean;
}

/** Longer sides are scaled down: the network looks at less anyway. */
const MOST_PIXELS_A_SIDE = 1280;

export function fromSample(name: string, { height, width, image, label }: Sample): Shown {
  const canvas = canvasOf(width, height);
  const pixels = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = image[3 * i + c];
    pixels.data[4 * i + 3] = 255;
  }
  contextOf(canvas).putImageData(pixels, 0, 0);
  return { name, canvas, picture: { height, width, image }, label, isLive: false };
}

/** The camera's picture of this moment. */
export function fromVideo(name: string, video: HTMLVideoElement): Shown {
  return { ...fromSource(name, video, video.videoWidth, video.videoHeight), isLive: true };
}

function fromSource(name: string, source: CanvasImageSource, width: number, height: number): Shown {
  const factor = Math.min(1, MOST_PIXELS_A_SIDE / Math.max(width, height));
  const canvas = canvasOf(Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor)));
  const context = contextOf(canvas);
  context.fillStyle = "white"; // behind transparent pictures
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return { name, canvas, picture: pictureOf(canvas), label: null, isLive: false };
}

/** @throws UserError for what the browser cannot decode */
export async function fromFile(file: File): Promise<Shown> {
  const bitmap = await createImageBitmap(file).catch((cause: unknown) => {
    const type = file.type || "of unknown type";
    const problem = "is no picture that this browser can read; JPEG, PNG and WebP are.";
    throw new UserError(`${file.name} (${type}) ${problem}`, { cause });
  });
  const shown = fromSource(file.name, bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return shown;
}

function pictureOf(canvas: HTMLCanvasElement): Picture {
  const { width, height } = canvas;
  const { data } = contextOf(canvas).getImageData(0, 0, width, height);
  const image = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image[3 * i + c] = data[4 * i + c];
  }
  return { height, width, image };
}
