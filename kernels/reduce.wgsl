// reduce: sums along the middle axis of x[outer][length][inner], in slices (torch.sum; with factor, torch.mean).
//
// out[o][s][i] = factor * sum of x[o][j][i] for j in slice s, that is from s * chunk to below min(length, (s+1) * chunk)
//
// With one slice this is the whole sum. A long axis with few outputs is cut into slices for the sake of parallelism,
// and a second dispatch sums the slices. The order is fixed: terms in blocks of 64, blocks one after the other, which
// also keeps the rounding error of long sums down.
//
// bindings  x: read, out: write
// params    count = outer * slices * inner
// dispatch  one invocation per output: ceil(count / 64) workgroups, folded over y beyond 65535

struct Params {
  count: u32,
  length: u32,
  inner: u32,
  slices: u32,
  chunk: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const BLOCK = 64u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let slice = index / params.inner;
  let i = index - slice * params.inner;
  let o = slice / params.slices;
  let s = slice - o * params.slices;
  let start = o * params.length * params.inner + i;
  let end = min(params.length, (s + 1u) * params.chunk);
  var total = 0.0;
  for (var block = s * params.chunk; block < end; block += BLOCK) {
    var part = 0.0;
    for (var j = block; j < min(block + BLOCK, end); j++) {
      part += x[start + j * params.inner];
    }
    total += part;
  }
  out[index] = params.factor * total;
}
