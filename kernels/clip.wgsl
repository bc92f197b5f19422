// clip: norm over several arrays together, and scaling them down to it (torch.nn.utils.clip_grad_norm_).
//
// powers    sums[at + i] = sum over the share i of x of |x|^P; the largest |x| where MAXIMUM
// norm      out[0] = (sum of sums)^(1/P), or the largest; factor[0] = min(1, maxNorm / (out[0] + 1e-6))
// scale     x *= factor[0]
//
// P         order of the norm, not 0; 2 and 1 are calculated without pow
// MAXIMUM   the norm of infinite order; P is not read
//
// A norm that is NaN gives NaN everywhere, one that is infinite gives factor 0, as in PyTorch. Fixed order: shares of
// `share` neighbouring elements, then strided shares of the sums in order, then a tree.
//
// bindings  powers: x read, sums write; norm: parts (the sums of powers) read, out [1] and factor [1] write;
//           scale: values read and written, limit (the factor of norm) [1] read
// params    count: elements of x, of parts or of values; share, at: powers only; maxNorm: norm only
// dispatch  powers: one invocation per share; scale: one per 4 elements; ceil(invocations / 64) workgroups, folded over y
//           beyond 65535; norm: one workgroup of 256

override P: f32 = 2.0;
override MAXIMUM: bool = false;

struct Params {
  count: u32,
  share: u32,
  at: u32,
  maxNorm: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read> parts: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> factor: array<f32>;
@group(0) @binding(5) var<storage, read_write> values: array<f32>;
@group(0) @binding(6) var<storage, read> limit: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

var<workgroup> shares: array<f32, 256>;

fn power(value: f32) -> f32 {
  let size = abs(value);
  if (MAXIMUM || P == 1.0) { return size; }
  if (P == 2.0) { return size * size; }
  return pow(size, P);
}

fn combine(a: f32, b: f32) -> f32 {
  if (!MAXIMUM) { return a + b; }
  return select(a, b, !(b <= a) && a == a); // unlike max(), keeps NaN
}

@compute @workgroup_size(64)
fn powers(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  let first = index * params.share;
  if (first >= params.count) { return; }
  var total = 0.0;
  for (var i = first; i < min(first + params.share, params.count); i++) {
    total = combine(total, power(x[i]));
  }
  sums[params.at + index] = total;
}

@compute @workgroup_size(256)
fn norm(@builtin(local_invocation_index) lane: u32) {
  var mine = 0.0;
  for (var i = lane; i < params.count; i += 256u) { mine = combine(mine, parts[i]); }
  shares[lane] = mine;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half /= 2u) {
    if (lane < half) { shares[lane] = combine(shares[lane], shares[lane + half]); }
    workgroupBarrier();
  }
  if (lane != 0u) { return; }
  var total = shares[0];
  if (!MAXIMUM && P == 2.0) { total = sqrt(total); }
  if (!MAXIMUM && P != 2.0 && P != 1.0) { total = pow(total, 1.0 / P); }
  out[0] = total;
  let wanted = params.maxNorm / (total + 1e-6);
  factor[0] = select(wanted, 1.0, wanted > 1.0);
}

@compute @workgroup_size(64)
fn scale(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    values[i] *= limit[0];
  }
}
