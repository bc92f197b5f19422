/** The networks that can be trained. */
import type { RandomState } from "../nn/random_state.ts";
import { DeepLabV3 } from "./deeplabv3.ts";
import type { DeepLabV3Options } from "./deeplabv3.ts";
import { Fcn } from "./fcn.ts";
import type { BaselineOptions } from "./baseline.ts";
import { Mcibi } from "./mcibi.ts";
import type { McibiOptions } from "./mcibi.ts";
import { OcrNet } from "./ocrnet.ts";
import type { OcrNetOptions } from "./ocrnet.ts";
import { PspNet } from "./pspnet.ts";
import type { PspNetOptions } from "./pspnet.ts";
import type { Segmentor } from "./segmentor.ts";
import { UperNet } from "./upernet.ts";
import type { UperNetOptions } from "./upernet.ts";

export type NetworkOptions =
  | ({ readonly type: "mcibi" } & McibiOptions)
  | ({ readonly type: "fcn" } & BaselineOptions)
  | ({ readonly type: "pspnet" } & PspNetOptions)
  | ({ readonly type: "deeplabv3" } & DeepLabV3Options)
  | ({ readonly type: "ocrnet" } & OcrNetOptions)
  | ({ readonly type: "upernet" } & UperNetOptions);

/** @param random where dropout masks come from */
export function buildNetwork(options: NetworkOptions, random: RandomState): Segmentor {
  switch (options.type) {
    case "mcibi":
      return new Mcibi(options, random);
    case "fcn":
      return new Fcn(options, random);
    case "pspnet":
      return new PspNet(options, random);
    case "deeplabv3":
      return new DeepLabV3(options, random);
    case "ocrnet":
      return new OcrNet(options, random);
    case "upernet":
      return new UperNet(options, random);
  }
}
