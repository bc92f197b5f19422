// sum_slabs: out[i] = slabs[0][i] + slabs[1][i] + ..., in this order: the second half of a product whose inner dimension
// was split (torch.sum over the first axis). No atomics, so the same operands give the same bytes.
//
// bindings  slabs: read, [splits, count]; out: write, [count]
// params    count; splits
// dispatch  one invocation per element: ceil(count / 64) workgroups, folded over y beyond 65535

struct Params {
  count: u32,
  splits: u32,
}

@group(0) @binding(0) var<storage, read> slabs: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  var total = slabs[i];
  for (var s = 1u; s < params.splits; s++) {
    total += slabs[s * params.count + i];
  }
  out[i] = total;
}
