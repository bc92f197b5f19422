/**
 * Writing ONNX models: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose field numbers these are. Typed
 * arrays have the byte order of the machine, which is little endian, as raw_data is, wherever WebGPU runs.
 */
import { UserError } from "../errors.ts";
import { Message } from "./protobuf.ts";

/** Operators as defined in this version; its functions need this version of the format, from January 2023. */
const OPSET = 18;
const IR_VERSION = 8;

export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** Numbers are integers where they are whole, except for the attributes that `FLOATS` names. */
export type OnnxAttribute = number | string | readonly number[];

export interface OnnxNode {
  readonly name: string;
  readonly operator: string;
  /** Names of values; "" for an optional one that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** An input or output of the graph: f32, sizes that are fixed or have a name. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly description: string;
}

export interface OnnxModel {
  readonly name: string;
  readonly description: string;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** In an order in which they can be computed. */
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
}

/** What a protocol buffer can hold; ONNX keeps the weights of larger models in files beside it. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * The bytes of a model file; the same model gives the same bytes.
 *
 * @throws UserError for a model of 2 GiB or more
 */
export function serializeOnnx(model: OnnxModel): Uint8Array {
  const message = new Message()
    .integer(1, IR_VERSION)
    .string(2, model.producer)
    .string(6, model.description)
    .message(7, graph(model))
    .message(8, new Message().string(1, "").integer(2, OPSET));
  for (const [key, value] of Object.entries(model.metadata)) {
    message.message(14, new Message().string(1, key).string(2, value));
  }
  if (message.length > MOST_BYTES) {
    throw new UserError(
      `the model takes ${message.length} bytes, and an ONNX file without external data holds at most ${MOST_BYTES}; ` +
        "export the weights alone, with --format safetensors",
    );
  }
  return message.finish();
}

function graph({ name, inputs, outputs, nodes, initializers }: OnnxModel): Message {
  const message = new Message();
  for (const node of nodes) message.message(1, nodeMessage(node));
  message.string(2, name);
  for (const [key, tensor] of initializers) message.message(5, tensorMessage(key, tensor));
  for (const value of inputs) message.message(11, valueMessage(value));
  for (const value of outputs) message.message(12, valueMessage(value));
  return message;
}

function nodeMessage({ name, operator, inputs, outputs, attributes }: OnnxNode): Message {
  const message = new Message();
  for (const input of inputs) message.string(1, input);
  for (const output of outputs) message.string(2, output);
  message.string(3, name).string(4, operator);
  for (const [key, value] of Object.entries(attributes)) message.message(5, attributeMessage(key, value));
  return message;
}

const FLOATS: readonly string[] = ["alpha", "epsilon"];

/** AttributeProto.AttributeType */
const TYPES = { float: 1, integer: 2, string: 3, integers: 7 } as const;

function attributeMessage(name: string, value: OnnxAttribute): Message {
  const message = new Message().string(1, name);
  if (typeof value === "string") return message.string(4, value).integer(20, TYPES.string);
  if (typeof value === "number") {
    return FLOATS.includes(name)
      ? message.float(2, value).integer(20, TYPES.float)
      : message.integer(3, value).integer(20, TYPES.integer);
  }
  for (const item of value) message.integer(8, item);
  return message.integer(20, TYPES.integers);
}

/** TensorProto.DataType */
const ELEMENT = { float: 1, int64: 7 } as const;

function tensorMessage(name: string, { shape, data }: OnnxTensor): Message {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  message.integer(2, data instanceof Float32Array ? ELEMENT.float : ELEMENT.int64).string(8, name);
  return message.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function valueMessage({ name, shape, description }: OnnxValue): Message {
  const sizes = new Message();
  for (const size of shape) {
    const dimension = new Message();
    sizes.message(1, typeof size === "number" ? dimension.integer(1, size) : dimension.string(2, size));
  }
  const tensor = new Message().integer(1, ELEMENT.float).message(2, sizes);
  return new Message().string(1, name).message(2, new Message().message(1, tensor)).string(3, description);
}
