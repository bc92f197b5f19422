const WANTED_FEATURES = [
  "subgroups",
  "subgroup-size-control",
  "shader-f16",
  "chromium-experimental-subgroup-matrix",
];

/** A device with every useful feature and all the limits that its adapter has. */
export function deviceDescriptor(adapter: GPUAdapter, furtherFeatures: readonly string[] = []): GPUDeviceDescriptor {
  const wanted = [...WANTED_FEATURES, ...furtherFeatures];
  return {
    requiredFeatures: wanted.filter((name) => adapter.features.has(name)) as GPUFeatureName[],
    requiredLimits: allLimits(adapter.limits),
  };
}

function allLimits(limits: GPUSupportedLimits): Record<string, number> {
  const required: Record<string, number> = {};
  // The values are getters on the prototype, so Object.entries sees nothing.
  for (const name in limits) required[name] = limits[name as keyof GPUSupportedLimits] as number;
  return required;
}
