/**
 * Checkpoints: safetensors files with the network under its official state_dict names, the optimiser's momentum under
 * `optimizer.momentum_buffer.<parameter>` in the same layout, and in the metadata whatever else the run needs to go on
 * with the same bytes: configuration, classes, counters, the state of the dropout generator. This works on bytes alone,
 * in browsers too; the files are checkpoint.node.ts's.
 */
import type { Config } from "../config/config.ts";
import type { DatasetSpec, Rgb } from "../data/dataset.ts";
import { IMAGENET_MEAN, IMAGENET_STD } from "../data/transforms.ts";
import { UserError } from "../errors.ts";
import { parseSafetensors, serializeSafetensors } from "../io/safetensors.ts";
import type { StateFile } from "../io/state_file.node.ts";
import { readTensors } from "../nn/readback.ts";
import { fromTorch, toTorch } from "../nn/state.ts";
import type { LoadOptions, StateDict, StateTensor } from "../nn/state.ts";
import type { Segmentor } from "../models/segmentor.ts";
import { checkStoredConfig } from "./stored_config.ts";
import type { Trainer } from "./trainer.ts";

const PROGRAM = "mcibi-webgpu checkpoint";
const FORMAT = `${PROGRAM} 1`;
const MOMENTUM = "optimizer.momentum_buffer.";
/** How pixels reach the network. There is one way only: it is written for other programs. */
const INPUT = { channels: "RGB", mean: IMAGENET_MEAN, std: IMAGENET_STD };
const BACKBONE = "backbone_net.";
/** The layers that lead to the prediction, by MCIBI's names and the other networks': the last knows the classes. */
const DECODER = /^decoder(_stage2)?\.\d\.weight$/;
/** What is trained on ImageNet for the sake of its classes alone, by the names of the ResNets and of ViT. */
const IMAGENET_CLASSIFIERS = ["fc.", "head."] as const;

/** Where a run stands. */
export interface Progress {
  /** Finished iterations. */
  readonly iteration: number;
  /** Iterations per epoch: with them the epoch and the place in it follow. */
  readonly stepsPerEpoch: number;
  /** Last epoch that was evaluated; 0 for none. */
  readonly evaluatedEpoch: number;
  /** The best evaluation so far. */
  readonly best: { readonly epoch: number; readonly meanIou: number } | null;
}

/** What the weights mean. */
export interface Subject {
  readonly dataset: string;
  readonly classNames: readonly string[];
  /** Colours of the classes; checkpoints of earlier versions have none. */
  readonly palette?: readonly Rgb[];
}

/** Parameters and buffers under their official names, whoever wrote them. */
export interface Weights {
  /** Where they were read from, for messages. */
  readonly path: string;
  readonly state: StateDict;
}

/** What this program wrote, which says what it is of. */
export interface Checkpoint extends Weights {
  /** As it was trained, but for `data.root`, which is empty: where the data lay is no part of what was learned. */
  readonly config: Config;
  readonly subject: Subject;
  readonly progress: Progress;
  /** Dropout masks drawn so far. */
  readonly masksDrawn: number;
  readonly momentum: StateDict;
}

export const isCheckpoint = (weights: Weights): weights is Checkpoint => "config" in weights;

export function subjectOf({ name, classNames, palette }: DatasetSpec): Subject {
  return { dataset: name, classNames, palette };
}

/** The bytes of a checkpoint of the trainer as it is now; the same state gives the same bytes. */
export async function serializeCheckpoint(
  trainer: Trainer,
  { config, subject, progress }: Pick<Checkpoint, "config" | "subject" | "progress">,
): Promise<Uint8Array> {
  await trainer.drain(); // what follows waits without sleeping
  const state = await trainer.model.stateDict();
  const momentum = await readMomentum(trainer);
  const metadata = metadataOf({ config, subject, progress, masksDrawn: trainer.random.counter });
  return serializeSafetensors([...state, ...momentum], metadata);
}

/** The bytes of a checkpoint that is to be used, and not to be trained on: no optimiser, numbers of half precision. */
export function serializeHalf(checkpoint: Checkpoint): Uint8Array {
  return serializeSafetensors(checkpoint.state, metadataOf(checkpoint), { half: true });
}

type Described = Pick<Checkpoint, "config" | "subject" | "progress" | "masksDrawn">;

function metadataOf({ config, subject, progress, masksDrawn }: Described): Record<string, string> {
  return {
    format: FORMAT,
    config: JSON.stringify({ ...config, data: { ...config.data, root: "" } }),
    subject: JSON.stringify(subject),
    progress: JSON.stringify(progress),
    dropout: JSON.stringify({ masksDrawn }),
    input: JSON.stringify(INPUT),
  };
}

/**
 * Reads the bytes of a checkpoint; puts them on no device.
 *
 * @param path where they are from, for messages
 * @throws UserError when they are damaged, or not one of these checkpoints
 */
export function parseCheckpoint(bytes: Uint8Array, path: string): Checkpoint {
  return requireCheckpoint(asWeights(parseSafetensors(bytes, `checkpoint ${path}`), path));
}

/** @throws UserError when they are weights alone */
export function requireCheckpoint(weights: Weights): Checkpoint {
  if (isCheckpoint(weights)) return weights;
  throw new UserError(`checkpoint ${weights.path}: holds weights alone, expected a "${FORMAT}"`);
}

/**
 * What a file with tensors is: one of these checkpoints or, whoever wrote it, weights alone.
 *
 * @throws UserError when it is a checkpoint of another version or a damaged one
 */
export function asWeights({ metadata, tensors }: StateFile, path: string): Weights | Checkpoint {
  if (metadata.format === FORMAT) return asCheckpoint(path, metadata, tensors);
  if (!metadata.format?.startsWith(PROGRAM)) return { path, state: tensors };
  throw new UserError(`checkpoint ${path}: its metadata names the format "${metadata.format}", expected "${FORMAT}"`);
}

function asCheckpoint(path: string, metadata: Readonly<Record<string, string>>, tensors: StateDict): Checkpoint {
  const field = <T>(name: string): T => {
    try {
      return JSON.parse(metadata[name]) as T;
    } catch (cause) {
      throw new UserError(`checkpoint ${path}: the metadata field "${name}" is missing or damaged`, { cause });
    }
  };
  const isMomentum = ([name]: readonly [string, unknown]): boolean => name.startsWith(MOMENTUM);
  return {
    path,
    config: checkStoredConfig(field("config"), `checkpoint ${path}`),
    subject: field<Subject>("subject"),
    progress: field<Progress>("progress"),
    masksDrawn: field<{ masksDrawn: number }>("dropout").masksDrawn,
    state: new Map([...tensors].filter((entry) => !isMomentum(entry))),
    momentum: new Map(
      [...tensors].filter(isMomentum).map(([name, tensor]) => [name.slice(MOMENTUM.length), tensor]),
    ),
  };
}

/**
 * Loads parameters and buffers.
 *
 * @throws UserError naming the file and the names that do not fit; nothing is changed then
 */
export function loadWeights(model: Segmentor, { path, state }: Weights, options?: LoadOptions): void {
  named(path, () => model.loadStateDict(state, options));
}

/**
 * Loads the backbone alone: from a state_dict of ImageNet weights, whose classifier is left out, or from one of a whole
 * network. Returns the number of its tensors. Errors as for `loadWeights`.
 */
export function loadBackbone(model: Segmentor, { path, state }: Weights, options?: LoadOptions): number {
  const whole = [...state].filter(([name]) => name.startsWith(BACKBONE));
  const backbone =
    whole.length > 0
      ? whole.map(([name, tensor]) => [name.slice(BACKBONE.length), tensor] as const)
      : [...state].filter(([name]) => !IMAGENET_CLASSIFIERS.some((prefix) => name.startsWith(prefix)));
  named(path, () => model.backbone.loadStateDict(new Map(backbone), options));
  return backbone.length;
}

/**
 * Makes sure that the classifiers are for these classes: of weights from elsewhere only the number is known.
 *
 * @param advice ends the error
 * @throws UserError naming the file, its classes and those
 */
export function requireClasses(weights: Weights, spec: DatasetSpec, advice = ""): void {
  const { path, state } = weights;
  const { name, classNames, numClasses } = spec;
  const wanted = `not the ${numClasses} of ${name}${advice}`;
  if (!isCheckpoint(weights)) {
    const classifier = [...state.keys()].filter((entry) => DECODER.test(entry)).sort().at(-1);
    const found = classifier && state.get(classifier)!.shape[0];
    if (found === undefined || found === numClasses) return;
    throw new UserError(`checkpoint ${path} knows ${found} classes, ${wanted}`);
  }
  const { subject } = weights;
  if (String(subject.classNames) === String(classNames)) return;
  throw new UserError(
    `checkpoint ${path} knows the ${subject.classNames.length} classes of ${subject.dataset} ` +
      `(${subject.classNames.slice(0, 3).join(", ")}, ...), ${wanted}`,
  );
}

function named(path: string, load: () => void): void {
  try {
    load();
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(`checkpoint ${path}: ${cause.message}`, { cause });
  }
}

/** Puts a new trainer where the checkpoint's was; errors as for `loadWeights`. */
export function restoreTrainer(trainer: Trainer, checkpoint: Checkpoint): void {
  loadWeights(trainer.model, checkpoint);
  trainer.optimizer.loadVelocities(momentumInMemory(trainer.model, checkpoint));
  trainer.random.counter = checkpoint.masksDrawn;
  trainer.iteration = checkpoint.progress.iteration;
}

async function readMomentum({ model, optimizer }: Trainer): Promise<[string, StateTensor][]> {
  const variables = model.parameterVariables();
  const names = [...optimizer.velocities.keys()];
  const values = await readTensors([...optimizer.velocities.values()]);
  const shapes = model.stateShapes();
  return names.map((name, i) => {
    const { shape, layout } = variables.get(name)!;
    return [MOMENTUM + name, { shape: shapes.get(name)!, data: toTorch(values[i], shape, layout) }];
  });
}

function momentumInMemory(model: Segmentor, { path, momentum }: Checkpoint): Map<string, Float32Array> {
  const variables = model.parameterVariables();
  const shapes = model.stateShapes();
  return new Map(
    [...momentum].map(([name, { shape, data }]) => {
      const variable = variables.get(name);
      const expected = variable && shapes.get(name)!;
      if (!variable || String(shape) !== String(expected)) {
        const wanted = expected ? `[${expected.join(", ")}]` : "no such parameter";
        const found = `${MOMENTUM}${name} has shape [${shape.join(", ")}]`;
        throw new UserError(`checkpoint ${path}: ${found}, expected ${wanted}`);
      }
      return [name, fromTorch(Float32Array.from(data, Number), variable.shape, variable.layout)];
    }),
  );
}
