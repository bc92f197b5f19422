import type { Tensor } from "../tensor/tensor.ts";
import { showShape } from "../tensor/shape.ts";
import { inParts } from "./parts.ts";

/** Of `addConfusion`. */
export interface ConfusionOptions {
  /** Label of pixels that do not count. */
  readonly ignoreIndex: number;
}

/**
 * Adds every pixel to confusion[label][prediction], u32 [K, K], in place. prediction and label are i32 of one size; a
 * label that is ignoreIndex or outside [0, K) leaves the pixel out, and so does a prediction outside [0, K).
 *
 * @throws Error where shapes or types are others
 */
export function addConfusion(confusion: Tensor, prediction: Tensor, label: Tensor, { ignoreIndex }: ConfusionOptions): void {
  const [classes, columns] = confusion.shape;
  if (confusion.dtype !== "u32" || confusion.shape.length !== 2 || classes !== columns) {
    throw new Error(`a confusion matrix is u32 [K, K], got ${confusion.dtype} ${showShape(confusion.shape)}`);
  }
  if (prediction.dtype !== "i32" || label.dtype !== "i32" || prediction.size !== label.size) {
    throw new Error(
      `predictions and labels are i32 of one size, got ${prediction.dtype} ${showShape(prediction.shape)} and ` +
        `${label.dtype} ${showShape(label.shape)}`,
    );
  }
  inParts(label.size, [prediction, label], [], ([prediction, label], _, count) => {
    confusion.gpu.run("confusion", { prediction, label, confusion }, {
      elements: Math.ceil(count / 16),
      params: { count },
      constants: { CLASSES: classes, IGNORE: ignoreIndex },
    });
  });
}
