/** A small network, trained from random numbers: which pixels of a picture of squares lie on an outline? */
import { Conv2d, ReLU, Sequential, Sgd, argmax, backward, crossEntropy } from "mcibi-webgpu/nn";
import { Gpu, Tensor } from "mcibi-webgpu/runtime";

const SIZE = 16;

export async function learnOutlines(gpu: Gpu, steps: number): Promise<{ losses: number[]; accuracy: number }> {
  const { pixels, labels } = squares(8);
  const image = Tensor.from(gpu, pixels, [8, SIZE, SIZE, 1]);
  const label = Tensor.from(gpu, labels, [8, SIZE, SIZE]);
  const network = new Sequential(new Conv2d(1, 8, 3, { padding: 1 }), new ReLU(), new Conv2d(8, 2, 1));
  network.initialize(gpu, 1);
  const optimizer = new Sgd(network.namedParameters(), { momentum: 0.9, weightDecay: 0 });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const arena = gpu.arena(); // what a step makes is gone with it
    const loss = crossEntropy(network.forward(image), label).keep(); // else backward would take it
    backward(loss);
    optimizer.step(0.5);
    optimizer.zeroGrad();
    losses.push(await loss.item());
    loss.dispose();
    arena[Symbol.dispose]();
  }
  const found = await argmax(network.forward(image)).data();
  const right = found.filter((value, i) => value === labels[i]).length;
  return { losses, accuracy: right / labels.length };
}

/** White squares on black, and 1 where a white pixel has a black one beside it. */
function squares(count: number): { pixels: Float32Array; labels: Int32Array } {
  const pixels = new Float32Array(count * SIZE * SIZE);
  const labels = new Int32Array(count * SIZE * SIZE);
  for (let n = 0; n < count; n++) {
    const [top, left, side] = [1 + (n % 4), 2 + ((3 * n) % 5), 4 + (n % 5)];
    for (let y = top; y < top + side; y++) {
      for (let x = left; x < left + side; x++) {
        const i = (n * SIZE + y) * SIZE + x;
        const isEdge = y === top || x === left || y === top + side - 1 || x === left + side - 1;
        pixels[i] = 1;
        labels[i] = isEdge ? 1 : 0;
      }
    }
  }
  return { pixels, labels };
}
