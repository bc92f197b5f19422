/** Pooling and resampling of images. */
import { interpolateBilinear } from "../../ops/interpolate.ts";
import { interpolateNearest } from "../../ops/interpolate_nearest.ts";
import {
  adaptiveAvgPool2d as adaptivePool,
  avgPool2d as averagePool,
  maxPool2d as maximumPool,
  maxPool2dIndices,
} from "../../ops/pool.ts";
import type { Pair } from "../../tensor/shape.ts";
import { Skip } from "../runner.ts";
import type { Call, Definition, Output } from "../call.ts";
import { channelsLast, imageLayout } from "../layout.ts";

const NONE: Pair = [0, 0];

export const maxPool2d: Definition = {
  parameters: ["input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"],
  run(call) {
    const layout = imageLayout(call.stored("input")!);
    const kernel = call.pair("kernel_size");
    const x = call.tensor("input", layout);
    const options = {
      kernel,
      stride: call.pair("stride", kernel),
      padding: call.pair("padding", NONE),
      dilation: call.pair("dilation", [1, 1]),
      ceilMode: call.boolean("ceil_mode", false),
    };
    const outputs: Output[] = [{ value: maximumPool(x, options), layout }];
    for (const name of ["indices", "output_1"]) {
      if (call.expects(name)) outputs.push({ name, value: maxPool2dIndices(x, options), layout });
    }
    return outputs;
  },
};

export const avgPool2d: Definition = {
  parameters: ["input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"],
  run(call) {
    const layout = imageLayout(call.stored("input")!);
    const kernel = call.pair("kernel_size");
    const divisorOverride = call.value("divisor_override") === undefined ? undefined : call.number("divisor_override");
    const options = {
      kernel,
      stride: call.pair("stride", kernel),
      padding: call.pair("padding", NONE),
      ceilMode: call.boolean("ceil_mode", false),
      countIncludePad: call.boolean("count_include_pad", true),
      divisorOverride,
    };
    return { value: averagePool(call.tensor("input", layout), options), layout };
  },
};

export const adaptiveAvgPool2d: Definition = {
  parameters: ["input", "output_size"],
  run(call) {
    const stored = call.stored("input")!;
    const layout = imageLayout(stored);
    const given = call.value("output_size");
    const sizes: unknown[] = Array.isArray(given) ? given : [given, given];
    // None keeps the size of that axis.
    const size = sizes.map((n, i) => n ?? stored.shape.at(i - 2)) as unknown as Pair;
    return { value: adaptivePool(call.tensor("input", layout), size), layout };
  },
};

export const interpolate: Definition = {
  parameters: ["input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias"],
  run(call) {
    call.onlyDefaults({ recompute_scale_factor: false, antialias: false });
    const mode = call.value("mode") ?? "nearest";
    if (mode === "bilinear") return resample(call, { alignCorners: call.boolean("align_corners", false) });
    if (mode !== "nearest") throw new Skip(`mode ${mode} of interpolate`);
    call.onlyDefaults({ align_corners: null });
    return resample(call, null);
  },
};

/** The older name for align_corners=true. */
export const upsampleBilinear: Definition = {
  parameters: ["input", "size", "scale_factor"],
  run: (call) => resample(call, { alignCorners: true }),
};

/** @param bilinear null for the nearest pixel */
function resample(call: Call, bilinear: { alignCorners: boolean } | null): Output {
  const rank = call.stored("input")!.shape.length;
  if (rank !== 4 && bilinear) throw new Error(`Got ${rank}D input, but bilinear mode needs 4D input`);
  if (rank !== 4) throw new Skip(`${rank} axes of ${call.op}: it resamples images here`);
  const optional = (name: string): Pair | undefined => (call.value(name) === undefined ? undefined : call.pair(name));
  const options = { size: optional("size"), scaleFactor: optional("scale_factor") };
  const x = call.tensor("input", channelsLast);
  const value = bilinear ? interpolateBilinear(x, { ...options, ...bilinear }) : interpolateNearest(x, options);
  return { value, layout: channelsLast };
}
