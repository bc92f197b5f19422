import { Conv2d, Dropout2d, Sequential, UpsampleNearest, convBnAct } from "../nn/layers.ts";
import type { RandomState } from "../nn/random_state.ts";

export interface DecoderOptions {
  readonly inChannels: number;
  readonly channels: number;
  readonly numClasses: number;
  readonly kernel: number;
  /** Convolutions in front of the classifier. Default 1. */
  readonly convs?: number;
  /** How many times as large each of them leaves the map. Default 1. */
  readonly upsample?: number;
  readonly dropout: number;
  /** LeakyReLU's slope; 0 for ReLU. */
  readonly slope: number;
}

/**
 * From features to logits, [n, h, w, inChannels] -> [n, h', w', numClasses]: convolutions, each with batch
 * normalisation, activation and, where wanted, enlargement; dropout; a 1x1 classifier. The names are the official ones.
 *
 * @param random where dropout masks come from
 */
export function decoder(options: DecoderOptions, random: RandomState): Sequential {
  const { inChannels, channels, kernel, convs = 1, upsample = 1, slope } = options;
  const layers = Array.from({ length: convs }, (_, i) => [
    ...convBnAct(i === 0 ? inChannels : channels, channels, kernel, { slope }).layers,
    ...(upsample === 1 ? [] : [new UpsampleNearest(upsample)]),
  ]);
  const classifier = new Conv2d(channels, options.numClasses, 1);
  return new Sequential(...layers.flat(), new Dropout2d(options.dropout, random), classifier);
}
