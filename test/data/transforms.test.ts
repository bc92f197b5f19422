import { test } from "uvu";
import * as assert from "uvu/assert";
import { distort, randomDistortion } from "../../src/data/photometric.ts";
import { PURPOSE, Random } from "../../src/data/random.ts";
import { crop, type Raster, type Size } from "../../src/data/raster.ts";
import { keepRatioSize, nearestIndices, resizeBilinear, resizeNearest } from "../../src/data/resize.ts";
import { rotateBicubic, rotateNearest } from "../../src/data/rotate.ts";
import { flipHorizontal, normalize, pad, randomCropWindow, swapLabels } from "../../src/data/transforms.ts";
import { pseudoRandom } from "../support/mutate.ts";

function noise(height: number, width: number, channels: number, seed = 1): Raster<Uint8Array> {
  const random = pseudoRandom(seed);
  const data = Uint8Array.from({ length: height * width * channels }, () => random() * 256);
  return { height, width, channels, data };
}

test("random numbers depend on all of seed, epoch, position and purpose, and on nothing else", () => {
  const draw = (seed: number, epoch: number, position: number, purpose: number) => {
    const random = new Random(seed, epoch, position, purpose);
    return Array.from({ length: 9 }, () => random.word()).join();
  };
  assert.is(draw(1, 2, 3, PURPOSE.augment), draw(1, 2, 3, PURPOSE.augment));
  const others = [draw(2 ** 32 + 1, 2, 3, 1), draw(2, 2, 3, 1), draw(1, 3, 3, 1), draw(1, 2, 4, 1), draw(1, 2, 3, 0)];
  assert.is(new Set([draw(1, 2, 3, 1), ...others]).size, 6);
});

test("random integers, coins and permutations are even", () => {
  const random = new Random(5, 0, 0, 0);
  const counts = new Array<number>(6).fill(0);
  let heads = 0;
  const first = new Array<number>(5).fill(0);
  for (let i = 0; i < 6000; i++) {
    counts[random.integer(-2, 4) + 2]++;
    heads += random.coin() ? 1 : 0;
    const order = random.permutation(5);
    assert.equal(order.toSorted(), [0, 1, 2, 3, 4]);
    first[order[0]]++;
  }
  for (const count of counts) assert.ok(Math.abs(count - 1000) < 150, `integers ${counts}`);
  assert.ok(Math.abs(heads - 3000) < 200, `heads ${heads}`);
  for (const count of first) assert.ok(Math.abs(count - 1200) < 170, `first of permutation ${first}`);
});

test("keepRatioSize: worked examples", () => {
  const cases: [image: Size, target: Size, expected: Size][] = [
    [[512, 683], [512, 2048], [512, 683]],
    [[512, 683], [256, 1024], [256, 342]],
    [[512, 683], [701, 2805], [701, 935]],
    [[300, 1600], [512, 2048], [384, 2048]],
    [[1024, 2048], [768, 1536], [768, 1536]],
    [[2000, 3], [100, 100], [100, 1]],
  ];
  for (const [image, target, expected] of cases) assert.equal(keepRatioSize(image, target), expected);
});

test("nearest and bilinear: worked examples", () => {
  assert.equal([...nearestIndices(5, 8, 0, 8)], [0, 0, 1, 1, 2, 3, 3, 4]);
  assert.equal([...nearestIndices(8, 5, 0, 5)], [0, 1, 3, 4, 6]);
  const square = { height: 2, width: 2, channels: 1, data: Uint8Array.of(0, 80, 160, 240) };
  const rows = [[0, 20, 60, 80], [40, 60, 100, 120], [120, 140, 180, 200], [160, 180, 220, 240]];
  assert.equal([...resizeBilinear(square, [4, 4]).data], rows.flat());
});

test("resizing only a window gives the bytes of resizing everything and cropping", () => {
  const random = pseudoRandom(3);
  for (let round = 0; round < 60; round++) {
    const [height, width] = [1 + Math.floor(random() * 23), 1 + Math.floor(random() * 23)];
    const size = [1 + Math.floor(random() * 60), 1 + Math.floor(random() * 60)] as const;
    const top = Math.floor(random() * size[0]);
    const left = Math.floor(random() * size[1]);
    const bottom = top + 1 + Math.floor(random() * (size[0] - top));
    const right = left + 1 + Math.floor(random() * (size[1] - left));
    const window = { top, left, height: bottom - top, width: right - left };
    for (const channels of [1, 3]) {
      const source = noise(height, width, channels, round);
      const name = `${height}x${width}x${channels} to ${size}, window ${JSON.stringify(window)}`;
      assert.equal(resizeBilinear(source, size, window), crop(resizeBilinear(source, size), window), name);
      assert.equal(resizeNearest(source, size, window), crop(resizeNearest(source, size), window), name);
    }
  }
});

test("bilinear is within one grey level of exact arithmetic", () => {
  const source = noise(7, 9, 1);
  const [height, width] = [13, 5];
  const { data } = resizeBilinear(source, [height, width]);
  const at = (y: number, x: number) => {
    const clamp = (value: number, size: number) => Math.min(Math.max(value, 0), size - 1);
    return source.data[clamp(y, 7) * 9 + clamp(x, 9)];
  };
  for (let i = 0; i < data.length; i++) {
    const y = ((Math.floor(i / width) + 0.5) * 7) / height - 0.5;
    const x = (((i % width) + 0.5) * 9) / width - 0.5;
    const [y0, x0] = [Math.floor(y), Math.floor(x)];
    const [fy, fx] = [y - y0, x - x0];
    const upper = at(y0, x0) * (1 - fx) + at(y0, x0 + 1) * fx;
    const lower = at(y0 + 1, x0) * (1 - fx) + at(y0 + 1, x0 + 1) * fx;
    assert.ok(Math.abs(data[i] - (upper * (1 - fy) + lower * fy)) <= 1, `element ${i}`);
  }
});

test("flipping twice is nothing, swapping exchanges both ways", () => {
  const image = noise(3, 5, 3);
  assert.equal(flipHorizontal(flipHorizontal(image)), image);
  assert.equal([...flipHorizontal(image).data.subarray(0, 3)], [...image.data.subarray(12, 15)]);
  const label = { height: 1, width: 4, channels: 1, data: Uint8Array.of(14, 15, 3, 255) };
  assert.equal([...swapLabels(label, [[15, 14]]).data], [15, 14, 3, 255]);
});

test("padding is centred, the smaller half first; what is too large loses its rim", () => {
  const row = { height: 1, width: 2, channels: 1, data: Uint8Array.of(1, 2) };
  assert.equal([...pad(row, { size: [2, 5], fill: 9 }).data], [9, 1, 2, 9, 9, 9, 9, 9, 9, 9]);
  const wide = { height: 1, width: 5, channels: 1, data: Uint8Array.of(1, 2, 3, 4, 5) };
  assert.equal([...pad(wide, { size: [1, 3], fill: 9 }).data], [2, 3, 4]);
  assert.equal([...pad(wide, { size: [1, 2], fill: 9 }).data], [3, 4]);
  const turned = pad(row, { size: [3, 2], fill: 0, adaptOrientation: true });
  assert.equal([turned.height, turned.width], [2, 3]);
});

test("normalize uses one mean and deviation per channel", () => {
  const pixel = { height: 1, width: 1, channels: 3, data: Uint8Array.of(10, 20, 30) };
  const options = { mean: [10, 10, 10], std: [1, 2, 4] } as const;
  assert.equal([...normalize(pixel, options).data], [0, 5, 5]);
  assert.equal([...normalize(pixel, { ...options, reverseChannels: true }).data], [20, 5, 0]);
});

test("the crop lies inside, varies, and shrinks with a small image", () => {
  const rule = { size: [4, 6], oneCategoryMaxRatio: 1, ignoreIndex: 255 } as const;
  const never = () => assert.unreachable("labels are not asked for");
  const places = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const window = randomCropWindow([6, 8], rule, never as never, new Random(1, 0, i, 0));
    assert.ok(window.top >= 0 && window.top <= 2 && window.left >= 0 && window.left <= 2);
    places.add(`${window.top} ${window.left}`);
  }
  assert.is(places.size, 9);
  const small = randomCropWindow([3, 5], rule, never as never, new Random(1, 0, 0, 0));
  assert.equal(small, { top: 0, left: 0, height: 3, width: 5 });
});

test("the crop is drawn again while one class covers too much of it, ten times at most", () => {
  const rule = { size: [1, 4], oneCategoryMaxRatio: 0.75, ignoreIndex: 255 } as const;
  const attempts = (...labels: number[][]) => {
    let asked = 0;
    randomCropWindow([9, 9], rule, () => labels[asked++] ?? labels.at(-1)!, new Random(1, 0, 0, 0));
    return asked;
  };
  assert.is(attempts([1, 1, 2, 2]), 1);
  assert.is(attempts([1, 1, 1, 2], [1, 1, 2, 3]), 2, "exactly the ratio is too much");
  assert.is(attempts([1, 1, 255, 255], [255, 255, 255, 255], [1, 1, 2, 255]), 3, "ignored pixels do not count");
  assert.is(attempts([1, 1, 1, 1]), 9, "the tenth place stands without being looked at");
});

/** Angle, image (bicubic, black outside), label (nearest, 255 outside). */
const OPENCV_ROTATED: readonly (readonly [angle: number, cubic: number[], nearest: number[]])[] = [
  [
    -30,
    [
      0, 41, 92, 132, 117, 91, 33, 14, 0, 38, 128, 224, 238, 205, 231, 154, 102, 52, 123, 56, 112, 199, 115, 40,
      192, 192, 194, 189, 203, 87, 69, 63, 7, 115, 119, 218, 11, 147, 118, 27, 86, 44, 247, 246, 116, 0, 28, 32,
      110, 237, 83, 82, 135, 53, 0, 0, 7, 44, 85, 67, 89, 122, 21,
    ],
    [
      255, 18, 19, 10, 11, 3, 4, 255, 255, 255, 7, 8, 0, 1, 13, 14, 5, 6, 16, 17, 9, 9, 1, 2, 14, 15, 7, 5, 6,
      18, 19, 11, 12, 4, 4, 16, 15, 16, 8, 8, 0, 1, 13, 14, 6, 255, 255, 17, 18, 10, 11, 3, 3, 15, 255, 255,
      255, 18, 19, 11, 12, 4, 255,
    ],
  ],
  [
    17,
    [
      0, 3, 12, 34, 86, 149, 211, 73, 2, 6, 40, 98, 211, 161, 155, 218, 146, 16, 44, 117, 200, 134, 113, 139,
      191, 192, 54, 77, 187, 241, 143, 12, 24, 204, 126, 110, 91, 218, 146, 106, 58, 96, 64, 60, 133, 90, 58,
      59, 71, 34, 195, 143, 90, 108, 66, 182, 228, 159, 46, 101, 24, 53, 6,
    ],
    [
      255, 255, 255, 4, 5, 6, 16, 17, 255, 1, 2, 3, 13, 14, 15, 5, 6, 255, 10, 11, 12, 2, 2, 3, 13, 14, 15, 18,
      19, 0, 10, 11, 12, 13, 3, 4, 7, 8, 9, 19, 0, 1, 2, 12, 13, 16, 17, 18, 19, 9, 10, 10, 0, 1, 255, 5, 6, 7,
      17, 18, 19, 255, 255,
    ],
  ],
];

test("rotation: what warpAffine of OpenCV 4.14 makes of an image and a label from formulas", () => {
  const [height, width] = [7, 9];
  const at = (f: (x: number, y: number) => number) => {
    return Array.from({ length: height * width }, (_, i) => f(i % width, Math.floor(i / width)));
  };
  const gray = at((x, y) => (y * 31 + x * 17 + ((x * y * 7) % 29) * 5) % 256);
  const image = { height, width, channels: 3, data: Uint8Array.from(gray.flatMap((v) => [v, 255 - v, 0])) };
  const label = { height, width, channels: 1, data: Uint8Array.from(at((x, y) => (y * width + x) % 20)) };
  for (const [angle, cubic, nearest] of OPENCV_ROTATED) {
    const got = rotateBicubic(image, angle).data.filter((_, i) => i % 3 === 0);
    const worst = Math.max(...got.map((value, i) => Math.abs(value - cubic[i])));
    assert.ok(worst <= 1, `${angle} degrees: off by ${worst}`);
    assert.equal([...rotateNearest(label, angle, 255).data], nearest, `label at ${angle} degrees`);
  }
  assert.equal(rotateBicubic(image, 0), image);
  const dot = { height: 5, width: 5, channels: 1, data: new Uint8Array(25).fill(1, 24) };
  // Counter-clockwise about (2.5, 2.5), where pixel centres are whole numbers: (4, 4) goes to (4, 1).
  assert.is(rotateNearest(dot, 90, 0).data.indexOf(1), 1 * 5 + 4);
});

/** One pixel after a distortion. */
function distorted(rgb: number[], distortion: Omit<Parameters<typeof distort>[1], "contrastFirst">, first = false) {
  const pixel = Uint8Array.from(rgb);
  distort(pixel, { ...distortion, contrastFirst: first });
  return [...pixel];
}

test("brightness and contrast clip and truncate; their order matters", () => {
  assert.equal(distorted([0, 100, 250], { brightness: 10.9 }), [10, 110, 255]);
  assert.equal(distorted([0, 100, 250], { brightness: -10.5 }), [0, 89, 239]);
  assert.equal(distorted([3, 100, 250], { contrast: 1.5 }), [4, 150, 255]);
  const both = { contrast: 0.5, saturation: 0 };
  assert.equal(distorted([255, 200, 100], both, true), [127, 127, 127]);
  assert.equal(distorted([255, 200, 101], { ...both, contrast: 1.5 }, true), [255, 255, 255]);
});

test("saturation and hue turn colours as expected", () => {
  assert.equal(distorted([200, 40, 120], { saturation: 0 }), [200, 200, 200]);
  assert.equal(distorted([200, 40, 40], { saturation: 0.5 }), [200, 120, 120]);
  assert.equal(distorted([255, 0, 0], { hue: 15 }), [255, 128, 0], "30 degrees from red is orange");
  assert.equal(distorted([255, 0, 0], { hue: -15 }), [255, 0, 128]);
  assert.equal(distorted([77, 77, 77], { hue: 9 }), [77, 77, 77], "gray has no hue");
});

test("a hue shift of 0 keeps every colour within the rounding of 8-bit hue", () => {
  const image = noise(40, 40, 3);
  const copy = image.data.slice();
  distort(copy, { hue: 0, contrastFirst: false });
  const worst = Math.max(...copy.map((value, i) => Math.abs(value - image.data[i])));
  assert.ok(worst <= 5, `off by ${worst}`);
});

test("distortions are drawn from the official ranges, each half of the time", () => {
  const drawn = Array.from({ length: 2000 }, (_, i) => randomDistortion(new Random(1, 0, i, 0)));
  const bounds = { brightness: [-32, 32], contrast: [0.5, 1.5], saturation: [0.5, 1.5], hue: [-18, 17] } as const;
  for (const [name, [low, high]] of Object.entries(bounds)) {
    const values = drawn.map((d) => d[name as keyof typeof bounds]).filter((value) => value !== undefined);
    assert.ok(Math.abs(values.length - 1000) < 120, `${name} is drawn ${values.length} times of 2000`);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    assert.ok(least >= low && most <= high && most - least > 0.95 * (high - low), `${name} in ${least} .. ${most}`);
  }
});

test.run();
