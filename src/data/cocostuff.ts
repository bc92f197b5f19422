import { join } from "node:path";
import { namesOf, vocColors } from "./classes.ts";
import { type DatasetLayout, pairFiles, readIds } from "./dataset.ts";
import { IGNORE_INDEX, LABEL_TABLES, trainIdTable } from "./label_tables.ts";

const CLASSES = `
  person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, street sign,
  stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, hat, backpack,
  umbrella, shoe, eye glasses, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
  baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, fork, knife, spoon, bowl,
  banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed,
  mirror, dining table, window, desk, toilet, door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven,
  toaster, sink, refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier, toothbrush, hair brush,
  banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other,
  ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence, floor-marble,
  floor-other, floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other, grass, gravel,
  ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin, net, paper,
  pavement, pillow, plant-other, plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug,
  salad, sand, sea, shelf, sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table,
  tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel, wall-stone,
  wall-tile, wall-wood, water-other, waterdrops, window-blind, window-other, wood`;

/** COCO-Stuff 10k: 91 things, of which 11 never occur, and 91 kinds of stuff; labels in MATLAB files. */
export const COCOSTUFF10K: DatasetLayout = {
  spec: {
    name: "cocostuff10k",
    numClasses: 182,
    classNames: namesOf(CLASSES),
    palette: vocColors(182),
    ignoreIndex: IGNORE_INDEX,
    labelTable: trainIdTable(LABEL_TABLES.COCOStuff10kDataset),
    labelVariable: ["S"],
  },
  splits: ["train", "test"],
  imagePattern: () => "images/*.jpg",
  list: async (root, split) =>
    pairFiles({
      imageFolder: join(root, "images"),
      imageSuffixes: [".jpg"],
      labels: [{ folder: join(root, "annotations"), suffix: ".mat" }],
      ids: await readIds(join(root, "imageLists", `${split}.txt`)),
    }),
};
