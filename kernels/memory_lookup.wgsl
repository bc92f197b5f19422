// memory_lookup: out[p, :] = memory[classes[p], slot, :], the memory's answer where every pixel has one class
// (torch: memory[classes, slot]).
//
// layouts   memory [K, SLOTS, CHANNELS]; classes [pixels], values 0 .. K - 1; out [pixels, CHANNELS]
// overrides SLOTS; CHANNELS
// params    pixels; slot: 0 .. SLOTS - 1
// dispatch  one invocation per element of out: pixels * CHANNELS, workgroups of 64, folded over y beyond 65535

override SLOTS: u32;
override CHANNELS: u32;

struct Params {
  pixels: u32,
  slot: u32,
}

@group(0) @binding(0) var<storage, read> memory: array<f32>;
@group(0) @binding(1) var<storage, read> classes: array<i32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.pixels * CHANNELS) { return; }
  let row = u32(classes[index / CHANNELS]) * SLOTS + params.slot;
  out[index] = memory[row * CHANNELS + index % CHANNELS];
}
