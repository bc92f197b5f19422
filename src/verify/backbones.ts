/** Cases of backbones: their parts, each by itself, and small whole ones. */
import { buildBackbone } from "../models/backbone.ts";
import type { BackboneOptions } from "../models/backbone.ts";
import { ExchangeModule } from "../models/hrnet_exchange.ts";
import { SplitAttention } from "../models/resnest.ts";
import { TransformerLayer } from "../models/vit_layer.ts";
import { RandomState } from "../nn/random_state.ts";
import { blockRunner } from "./mcibi.ts";
import { paramsOf } from "./params.ts";

const INPUT = ["input"];

export const splitAttention = blockRunner((item) => {
  const known = ["channels", "dilation", "mode"];
  const { channels, dilation } = paramsOf<{ channels: number; dilation: number }>(item, known);
  const module = new SplitAttention(channels, dilation);
  return { module, inputs: INPUT, forward: ([x]) => module.forward(x) };
});

export const exchangeModule = blockRunner((item) => {
  const { widths, blocks } = paramsOf<{ widths: number[]; blocks: number }>(item, ["widths", "blocks", "mode"]);
  const module = new ExchangeModule(widths, blocks);
  return { module, inputs: widths.map((_, i) => `input_${i}`), forward: (maps) => module.forward(maps) };
});

interface TransformerParams {
  readonly channels: number;
  readonly heads: number;
  readonly mlp_ratio: number;
  readonly eps: number;
}

/** The tokens [n, channels, s] of the fixture are [n, s, channels] here: channels last, as with maps. */
export const transformerLayer = blockRunner((item) => {
  const known = ["channels", "heads", "mlp_ratio", "eps", "mode"];
  const { mlp_ratio: mlpRatio, ...options } = paramsOf<TransformerParams>(item, known);
  const module = new TransformerLayer({ ...options, mlpRatio, dropout: 0 }, new RandomState(0));
  return { module, inputs: INPUT, forward: ([x]) => module.forward(x) };
});

/** The params hold our own options. */
export const backbone = blockRunner((item) => {
  const { options } = paramsOf<{ options: BackboneOptions }>(item, ["options", "mode"]);
  const module = buildBackbone(options, new RandomState(0));
  return { module, inputs: INPUT, forward: ([image]) => module.forward(image) };
});
