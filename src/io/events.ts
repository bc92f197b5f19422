/**
 * TensorBoard's event files: Event messages of protocol buffers
 * (https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto and
 * .../core/framework/summary.proto, whose field numbers these are) framed as TFRecords
 * (https://www.tensorflow.org/tutorials/load_data/tfrecord).
 */
import { crc32c } from "./crc32.ts";
import { Message } from "./protobuf.ts";

export interface EventImage {
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/** What is recorded at one step, by tag. */
export interface EventValues {
  readonly scalars?: Readonly<Record<string, number>>;
  readonly images?: Readonly<Record<string, EventImage>>;
}

const VERSION = "brain.Event:2";
/** SessionLog.SessionStatus */
const START = 1;
/** Image.colorspace: RGB. */
const RGB = 3;

/**
 * The first records of a file.
 *
 * @param time Unix seconds
 * @param firstStep readers drop what earlier files of the run have at this step and after it
 */
export function eventFileStart(time: number, firstStep: number): Uint8Array {
  const start = new Message().integer(1, START);
  return Buffer.concat([
    record(new Message().double(1, time).string(3, VERSION)),
    record(new Message().double(1, time).integer(2, firstStep).message(7, start)),
  ]);
}

/** A record of values. Scalars that are NaN are left out, as readers draw gaps there. */
export function eventRecord(time: number, step: number, { scalars = {}, images = {} }: EventValues): Uint8Array {
  const summary = new Message();
  for (const [tag, value] of Object.entries(scalars)) {
    if (!Number.isNaN(value)) summary.message(1, new Message().string(1, tag).float(2, value));
  }
  for (const [tag, { width, height, png }] of Object.entries(images)) {
    const image = new Message().integer(1, height).integer(2, width).integer(3, RGB).bytes(4, png);
    summary.message(1, new Message().string(1, tag).message(4, image));
  }
  return record(new Message().double(1, time).integer(2, step).message(5, summary));
}

/** Length, its checksum, data, its checksum, all little endian. */
function record(message: Message): Uint8Array {
  const data = message.finish();
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return bytes;
}

/** A checksum that is not its own data's checksum's: rotated right by 15 bits, plus a constant. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
