/** Operations that only move elements. */
import { concat as concatenate } from "../../ops/concat.ts";
import * as shapes from "../../ops/shape_ops.ts";
import type { Pair } from "../../tensor/shape.ts";
import type { Definition } from "../call.ts";

export const concat: Definition = {
  parameters: ["tensors", "dim"],
  names: { input: "tensors", count: null },
  run: (call) => ({ value: concatenate(call.tensors("tensors"), call.number("dim", 0)) }),
};

export const pad: Definition = {
  parameters: ["input", "pad", "mode", "value"],
  names: { left_right_top_bottom: "pad" },
  run(call) {
    call.onlyDefaults({ mode: "constant" });
    const x = call.tensor("input");
    const given = call.dims("pad")!; // two numbers per axis, the last axis first
    const padding = x.shape.map((_, axis): Pair => {
      const at = 2 * (x.shape.length - 1 - axis);
      return [given[at] ?? 0, given[at + 1] ?? 0];
    });
    return { value: shapes.pad(x, padding, call.number("value", 0)) };
  },
};

export const flip: Definition = {
  parameters: ["input", "dims"],
  names: { dim: "dims" },
  run: (call) => ({ value: shapes.flip(call.tensor("input"), call.dims("dims")!) }),
};

export const permute: Definition = {
  parameters: ["input", "dims"],
  run: (call) => ({ value: shapes.permute(call.tensor("input"), call.dims("dims")!) }),
};
