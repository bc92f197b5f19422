import type { Tensor } from "../tensor/tensor.ts";
import { Adam } from "./adam.ts";
import type { AdamOptions } from "./adam.ts";
import type { Optimizer } from "./optimizer.ts";
import { Sgd } from "./sgd.ts";
import type { SgdOptions } from "./sgd.ts";

/** An optimiser and its options; AdamW is the Adam that is `decoupled`. */
export type OptimizerChoice = ({ readonly type: "sgd" } & SgdOptions) | ({ readonly type: "adam" } & AdamOptions);

/** @param parameters by name, updated in place; see Module.namedParameters */
export function buildOptimizer(choice: OptimizerChoice, parameters: ReadonlyMap<string, Tensor>): Optimizer {
  return choice.type === "sgd" ? new Sgd(parameters, choice) : new Adam(parameters, choice);
}
