/**
 * Everything a run depends on besides the code, the data and the adapter, as one plain object. Presets are values of
 * this type, `--set` changes single fields, and the resolved object is written into the run folder. Sizes are in the
 * order height, width. Where a number can switch something off, 0 does.
 */
export interface Config {
  /** The preset that the other fields started from. */
  name: string;
  model: ModelConfig;
  memory: MemoryConfig;
  losses: LossesConfig;
  optim: OptimConfig;
  data: DataConfig;
  train: TrainConfig;
  eval: EvalConfig;
}

/** The network. */
export interface ModelConfig {
  /**
   * MCIBI, or a network to compare it with as the official toolbox builds it: a head without memory, stage-1 decoder
   * and attention to the context. For MCIBI's own network without its memory see `memory.enabled`.
   */
  segmentor: "mcibi" | "fcn" | "pspnet" | "deeplabv3" | "ocrnet" | "upernet";
  backbone: BackboneConfig;
  /**
   * Within-image context of `mcibi`: none, pyramid pooling, atrous pyramid, object context (by what the auxiliary head
   * says), or pyramid pooling on top of a feature pyramid.
   */
  host: "fcn" | "ppm" | "aspp" | "ocr" | "upernet";
  /** Of the host `aspp` and of `deeplabv3`. */
  dilations: number[];
  /** Of the hosts `ppm` and `upernet`, of `pspnet` and of `upernet`. */
  poolScales: number[];
  /** Width C of representations and memory rows; of the other networks' heads. */
  featsChannels: number;
  /** Inner width of the attention blocks. */
  transformChannels: number;
  /** 1x1 convolutions per projection of queries and keys in `mcibi`: 2 in the official code, 1 in the paper. */
  keyQueryConvs: number;
  /** Whether the representations of `mcibi` attend to the within-image context, or it is joined as it is. */
  contextAttention: boolean;
  /** How `mcibi` joins representations, memory and context: in two steps as the official code, or all three in one. */
  fusion: "official" | "concat3";
  /** Width of the auxiliary heads (one; on a ViT three), which exist where `losses.aux` is above 0. */
  auxChannels: number;
  /** Probability of Dropout2d in front of the classifiers. */
  dropout: number;
  /** Slope of LeakyReLU in the head; 0 for ReLU. */
  headSlope: number;
  /** Convention of every bilinear resize. */
  alignCorners: boolean;
}

/** Which backbone; each type has its own fields. Setting the type replaces them by those of its standard network. */
export type BackboneConfig = ResNetConfig | ResNeStConfig | HRNetConfig | VitConfig;

interface ResidualConfig {
  /** Width of the first stage; 64 in the standard networks. */
  baseChannels: number;
  stemChannels: number;
  /** Image pixels per feature along one axis: 8, 16 or 32. */
  outputStride: number;
  /** The first block of a dilated stage uses half of its dilation. */
  contractedDilation: boolean;
}

/** A ResNet; see `ResNetOptions`. */
export interface ResNetConfig extends ResidualConfig {
  type: "resnet";
  /** 18, 34, 50 or 101. */
  depth: number;
  /** Three 3x3 convolutions instead of one 7x7. */
  deepStem: boolean;
}

/** A ResNeSt; see `ResNeStOptions`. */
export interface ResNeStConfig extends ResidualConfig {
  type: "resnest";
  /** 50, 101 or 200. */
  depth: number;
}

/** An HRNet; see `HRNetOptions`. */
export interface HRNetConfig {
  type: "hrnet";
  /** Channels of the branch of full resolution. */
  width: number;
  stemChannels: number;
  /** Planes and number of the bottleneck blocks of the first stage. */
  planes: number;
  bottlenecks: number;
  /** Exchange modules of the second, third and fourth stage. */
  modules: [number, number, number];
  /** Basic blocks of every branch of a module. */
  blocks: number;
  /** No activation after the first convolution, as in the official network for Cityscapes. */
  skipStemActivation: boolean;
  /** A strided convolution after the backbone: 8 image pixels per feature instead of 4. */
  downsample: boolean;
}

/** A vision transformer; see `VitOptions`. */
export interface VitConfig {
  type: "vit";
  /** Size of the images that the position embedding is stored for; others get it resized. */
  imageSize: [number, number];
  /** Image pixels per feature along one axis. */
  patchSize: number;
  /** Width of the tokens; a multiple of `heads`. */
  channels: number;
  layers: number;
  heads: number;
  /** Width of the hidden layers relative to the tokens'. */
  mlpRatio: number;
  /** The four layers, counting from 0, whose results the heads see. */
  outputs: [number, number, number, number];
  /** Probability of dropout inside the layers. */
  dropout: number;
}

/** MCIBI's memory. */
export interface MemoryConfig {
  /** Off: the same network without memory, aggregation, stage-1 decoder and memory loss. Only `mcibi` has one. */
  enabled: boolean;
  /** Slots per class. */
  featsPerClass: number;
  /** Mixes memory rows by the one-hot of the most likely class instead of the class distribution. */
  hardAggregate: boolean;
  /** What a class moves towards: the mean of its pixels, or their average weighted by 1 - cosine to the memory. */
  strategy: "cosine_similarity" | "mean";
  /** With several slots per class, one that no pixel chose stays, or shrinks as in the official code. */
  unassigned: "keep" | "decay";
  /** Leaves pixels without features out of the update, which else pull their class towards 0. */
  skipZeroFeatures: boolean;
  /**
   * What a slot starts with: `first-batch-mean`, nothing, and the mean of its class in the first batch that has it;
   * `random`, lengths of normal numbers; `random-pixel`, the representation of a pixel of its class; `kmeans`, a centre
   * of its class's representations; or the path of a file that has a memory. See train/memory_init.ts.
   */
  init: string;
  /** Weight of the new value at the first iteration, in [0, 1]. */
  momentum: number;
  /** Exponent of the momentum's decay; 0 keeps it constant. */
  momentumPower: number;
  /** Momentum at the end relative to the beginning. */
  momentumFloor: number;
  /** Follows the learning rate (warm-up included) instead of its own decay. */
  coupleToLr: boolean;
  /** Gradients as the official code makes them, from the updated memory: wrong ones, to compare with. */
  officialAliasing: boolean;
}

/** The terms of the loss, and their weights. */
export interface LossesConfig {
  /** Weights of the terms of METHOD.md 4. Only `mcibi` has stage 1; stage 2 is the prediction of any network. */
  stage1: number;
  stage2: number;
  /** Of every auxiliary head; 0: there is none. */
  aux: number;
  /** What follows is for each of these three. Factors on the loss of a pixel, by its label; empty: all alike. */
  classWeights: number[];
  /** Whether the mean divides by the sum of the labels' factors or by their number. */
  normByClassWeights: boolean;
  /** Share of the target that is spread evenly over all classes. */
  labelSmoothing: number;
  /** Level b that a weighted term is kept from falling below: |loss - b| + b; 0: none. */
  lowest: number;
  /** Online hard example mining: a term learns from pixels only that it still gets wrong. */
  ohem: {
    /** Pixels kept at least, times the images of the batch; 0: off, all are. */
    minKept: number;
    /** Kept besides: pixels whose class gets a lower probability; 0: none, just those of the largest losses. */
    threshold: number;
  };
  /** Representation-consistent loss: weight 0 leaves it out. */
  memory: {
    weight: number;
    /** First epoch with this term, counting from 1. */
    startEpoch: number;
    /** Leaves slots that were never filled out of the mean. */
    maskEmptySlots: boolean;
    /** Lets the memory rows enter the running statistics of the second decoder, as the official code does. */
    updateRunningStats: boolean;
    /** Takes the rows as forward read them, instead of the updated ones as the official code does. */
    beforeUpdate: boolean;
  };
}

/** SGD and its schedule. */
export interface OptimConfig {
  type: "sgd" | "adam" | "adamw";
  lr: number;
  /** Of `sgd`. */
  momentum: number;
  /** An L2 penalty; of `adamw` the share of itself, times the learning rate, that a parameter loses. */
  weightDecay: number;
  /** Of `sgd`. */
  nesterov: boolean;
  /** Of `adam` and `adamw`: weights of the past in the averages of a gradient and of its square. */
  betas: [number, number];
  /** Of `adam` and `adamw`: added to the root that a gradient is divided by. */
  eps: number;
  /** Exponent of the polynomial decay. */
  power: number;
  /** Learning rate at the end relative to `lr`. */
  minLrRatio: number;
  /** Learning rate at the end; 0: as `minLrRatio` says. */
  minLr: number;
  /** What the backbone multiplies both by. */
  backbone: {
    lr: number;
    weightDecay: number;
  };
  warmup: {
    type: "constant" | "linear" | "exp";
    /** Relative to the scheduled rate, at the first iteration. */
    ratio: number;
    /** 0: no warm-up. */
    iters: number;
  };
  /** Largest L2 norm of all gradients together; 0: unlimited. */
  clipGradNorm: number;
}

/** What is trained and evaluated on, and how images are prepared. */
export interface DataConfig {
  dataset: string;
  /** Empty: the dataset's environment variable or default folder. */
  root: string;
  trainSplit: string;
  evalSplit: string;
  /** Images are resized to this size before random scaling, and for evaluation. */
  size: [number, number];
  /** Fits images into that size with their own ratio of sides; otherwise they fill it exactly. */
  keepRatio: boolean;
  /** Random scale of training images relative to `size`. */
  scaleRange: [number, number];
  crop: [number, number];
  /** A crop is drawn again while one class covers this share of it. */
  oneCategoryMaxRatio: number;
  /** Probability of a horizontal flip; it exchanges the classes that the dataset pairs, such as left and right arm. */
  flip: number;
  /** Probability of a rotation (0: none), and its bound: whole angles from -degrees to degrees - 1. */
  rotate: {
    probability: number;
    degrees: number;
  };
  photometric: boolean;
  /** Decoding threads. */
  workers: number;
  /** Memory for decoded training images; 0 decodes them again every epoch. */
  cacheMiB: number;
}

/** The course of a run. */
export interface TrainConfig {
  epochs: number;
  batchSize: number;
  /**
   * Parts that a batch is worked through in, one after the other: the memory of a part, the gradients, losses and
   * memory update of the whole. Batch normalisation sees a part at a time, and dropout draws other masks.
   */
  accumulate: number;
  /** Backward computes inner activations again instead of keeping them: less memory, more time, the same bytes. */
  recompute: boolean;
  /** Of initial weights, order, augmentation and dropout. */
  seed: number;
  /** Epochs between evaluations; the last epoch is always followed by one. */
  evalEvery: number;
  /** Iterations between lines of `metrics.jsonl`. */
  logEvery: number;
  /** Iterations between checkpoints; every epoch ends with one besides. 0: only there. */
  saveEvery: number;
  /** Predictions to save as images at every evaluation. */
  panels: number;
}

/** How images are evaluated. */
export interface EvalConfig {
  mode: "whole" | "slide";
  /** Windows of `slide` mode and their step. */
  crop: [number, number];
  stride: [number, number];
  /** Every image is seen at each of these scales. */
  scales: number[];
  /** And mirrored. */
  flip: boolean;
  /** What is averaged over views and windows. */
  average: "logits" | "probs";
}
