// sum_pairs: first[g], second[g] = sum over b of pairs[b, g], in the order of b. The second half of a reduction of two
// numbers at once, as the gradients of normalisation layers take it.
//
// bindings  pairs: read ([blocks, groups] of vec2f), first and second: write ([groups])
// params    blocks, groups
// dispatch  one invocation per group: ceil(groups / 64) workgroups, folded over y beyond 65535

struct Params {
  blocks: u32,
  groups: u32,
}

@group(0) @binding(0) var<storage, read> pairs: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> first: array<f32>;
@group(0) @binding(2) var<storage, read_write> second: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let group = id.x + id.y * grid.x * 64u;
  if (group >= params.groups) { return; }
  var sum = vec2f();
  for (var block = 0u; block < params.blocks; block++) {
    sum += pairs[block * params.groups + group];
  }
  first[group] = sum.x;
  second[group] = sum.y;
}
