/** A reader of TensorBoard's event files that shares nothing with the writer. */
import protobuf from "protobufjs";

/** The fields that are written, as tensorflow/core/util/event.proto and framework/summary.proto define them. */
const DEFINITIONS = `
  syntax = "proto3";
  message Event {
    double wall_time = 1;
    int64 step = 2;
    oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
  }
  message SessionLog {
    enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; STOP = 2; CHECKPOINT = 3; }
    SessionStatus status = 1;
    string checkpoint_path = 2;
    string msg = 3;
  }
  message Summary {
    message Image { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4; }
    message Value { string tag = 1; oneof value { float simple_value = 2; Image image = 4; } string node_name = 7; }
    repeated Value value = 1;
  }
`;

export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  readonly sessionLog?: { readonly status: number };
  readonly summary?: { readonly value: readonly ReadValue[] };
}

export interface ReadValue {
  readonly tag: string;
  readonly simpleValue?: number;
  readonly image?: {
    readonly height: number;
    readonly width: number;
    readonly colorspace: number;
    readonly encodedImageString: Uint8Array;
  };
}

const Event = protobuf.parse(DEFINITIONS).root.lookupType("Event");

/** @throws Error for a record that is cut short or does not fit its checksums */
export function readEvents(bytes: Uint8Array): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let at = 0; at < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
    const length = Number(view.getBigUint64(0, true));
    checkSum(bytes.subarray(at, at + 8), view.getUint32(8, true));
    if (at + length + 16 > bytes.length) throw new Error(`a record's length is ${length}`);
    const data = bytes.subarray(at + 12, at + 12 + length);
    checkSum(data, view.getUint32(12 + length, true));
    events.push(Event.toObject(Event.decode(data), { longs: Number }) as ReadEvent);
    at += length + 16;
  }
  return events;
}

function checkSum(bytes: Uint8Array, masked: number): void {
  const rotated = (masked - 0xa282ead8) >>> 0;
  const sum = ((rotated << 15) | (rotated >>> 17)) >>> 0;
  if (sum !== bitwiseCrc32c(bytes)) throw new Error("a record does not fit its checksum");
}

/** By the polynomial x^32 + x^28 + ... + 1 itself, one bit after the other. */
export function bitwiseCrc32c(bytes: Uint8Array): number {
  const reversed = (value: number, bits: number): number => {
    let result = 0;
    for (let bit = 0; bit < bits; bit++) result = (result << 1) | ((value >>> bit) & 1);
    return result >>> 0;
  };
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder ^= reversed(byte, 8) << 24;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder << 1) ^ (remainder < 0 ? 0x1edc6f41 : 0);
    remainder |= 0;
  }
  return ~reversed(remainder, 32) >>> 0;
}
