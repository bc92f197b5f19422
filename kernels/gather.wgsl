// gather: permuted and mirrored axes (torch.permute, torch.flip). Elements are 4 bytes of whatever type, copied bit by bit.
//
// out[i] = x[start + sum over axes of index_k(i) * s_k]
//
// out is contiguous; its axes are aligned to the right: the innermost has n4 elements, then n3, n2, n1. One step along
// axis k moves s_k elements in x, backwards where negative. Fewer than five axes: sizes 1 in front.
//
// bindings  x: read, out: write
// params    count: elements of out; start; n1, n2, n3, n4; s0, s1, s2, s3, s4
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

struct Params {
  count: u32,
  start: i32,
  n1: u32,
  n2: u32,
  n3: u32,
  n4: u32,
  s0: i32,
  s1: i32,
  s2: i32,
  s3: i32,
  s4: i32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

fn rowStart(row: u32) -> i32 {
  let i2 = row / params.n3;
  let i1 = i2 / params.n2;
  let i0 = i1 / params.n1;
  return params.start + i32(row - i2 * params.n3) * params.s3 + i32(i2 - i1 * params.n2) * params.s2
    + i32(i1 - i0 * params.n1) * params.s1 + i32(i0) * params.s0;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  var row = first / params.n4;
  var column = first - row * params.n4;
  var start = rowStart(row);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    out[i] = x[u32(start + i32(column) * params.s4)];
    column++;
    if (column == params.n4) {
      column = 0u;
      row++;
      start = rowStart(row);
    }
  }
}
