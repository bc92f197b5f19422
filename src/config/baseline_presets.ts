/** The networks of the official toolbox that MCIBI is compared with, under its names for them (METHOD.md 5). */
import { standardBackbone } from "./backbone.ts";
import { changed } from "./changes.ts";
import type { Changes } from "./changes.ts";
import type { Config } from "./config.ts";
import { CITYSCAPES, HRNET, OFFICIAL, RESNEST101, RESNET101 } from "./official_presets.ts";

/** Half the resolution of the last maps, and half the dilations upon them. */
const strided = (depth: number): Changes => ({
  model: { backbone: { ...standardBackbone("resnet"), depth, outputStride: 16 }, dilations: [1, 6, 12, 18] },
});

const NETWORKS = {
  resnet50os8: {},
  resnet101os8: RESNET101,
  resnet50os16: strided(50),
  resnet101os16: strided(101),
  resnest101os8: RESNEST101,
  hrnetv2w48: HRNET,
} as const satisfies Record<string, Changes>;

type Network = keyof typeof NETWORKS;

/** The time and the batch that `cityscapes-val` has, too. */
export const CITYSCAPES_BUDGET: Changes = { train: { epochs: 220, batchSize: 8 } };

const DATASETS: Readonly<Record<string, readonly Changes[]>> = {
  ade20k: [],
  cityscapes: [CITYSCAPES, CITYSCAPES_BUDGET],
  voc: [{ data: { dataset: "voc", trainSplit: "trainaug" }, train: { epochs: 60 } }],
};

const RESNETS = ["resnet50os8", "resnet101os8", "resnet50os16", "resnet101os16"] as const;

const METHODS: Readonly<Record<string, { readonly networks: readonly Network[]; readonly changes: Changes }>> = {
  fcn: { networks: [...RESNETS, "resnest101os8"], changes: { model: { segmentor: "fcn" } } },
  pspnet: { networks: [...RESNETS, "resnest101os8"], changes: { model: { segmentor: "pspnet" } } },
  deeplabv3: { networks: [...RESNETS, "resnest101os8"], changes: { model: { segmentor: "deeplabv3" } } },
  upernet: { networks: RESNETS, changes: { model: { segmentor: "upernet" } } },
  ocrnet: {
    networks: ["resnet50os8", "resnet101os8", "hrnetv2w48"],
    changes: { model: { segmentor: "ocrnet", dropout: 0 } },
  },
};

const WITHOUT_MEMORY: Changes = { memory: { enabled: false } };
const PAIRS: Readonly<Record<string, Changes>> = { ocrnet_cityscapes: { train: { epochs: 440 } } };

export const BASELINE_PRESETS: readonly Config[] = Object.entries(METHODS).flatMap(([method, { networks, changes }]) =>
  networks.flatMap((network) =>
    Object.entries(DATASETS).map(([dataset, own]) => {
      const name = `${method}_${network}_${dataset}`;
      const pair = PAIRS[`${method}_${dataset}`] ?? {};
      return changed(OFFICIAL, WITHOUT_MEMORY, ...own, NETWORKS[network], changes, pair, { name });
    }),
  ),
);
