/** The official Cityscapes label ids (`labelIds`) that occur in the scenes; ids without a train id are void. */
export const LABEL = {
  egoVehicle: 1,
  static: 4,
  road: 7,
  sidewalk: 8,
  parking: 9,
  railTrack: 10,
  building: 11,
  wall: 12,
  fence: 13,
  pole: 17,
  trafficLight: 19,
  trafficSign: 20,
  vegetation: 21,
  terrain: 22,
  sky: 23,
  person: 24,
  rider: 25,
  car: 26,
  truck: 27,
  bus: 28,
  train: 31,
  motorcycle: 32,
  bicycle: 33,
} as const;

export type Label = (typeof LABEL)[keyof typeof LABEL];
