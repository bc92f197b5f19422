// cross_entropy_mean: adds up the partial sums of cross_entropy.wgsl and divides by the weights.
//
// loss[0] = sum of losses / D, factor[0] = 1 / D; D: `divisor` where that is not negative, otherwise the sum of the
// weights. Without MEAN D is 1. Where D is 0 the factor is 0, and the loss 0 (EMPTY_ZERO) or, as in PyTorch,
// 0 / 0 = NaN.
//
// bindings  sums: vec2f (loss, weight) [parts], read; loss [1], factor [1]: write
// params    parts; divisor: of a mean over more rows than these, or negative
// dispatch  one workgroup of 256. Every invocation adds a strided share in order, and the shares meet in a fixed tree.

override MEAN: bool = true;
override EMPTY_ZERO: bool = true;

struct Params {
  parts: u32,
  divisor: f32,
}

@group(0) @binding(0) var<storage, read> sums: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> factor: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> shares: array<vec2f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var mine = vec2f();
  for (var i = lane; i < params.parts; i += 256u) { mine += sums[i]; }
  shares[lane] = mine;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half /= 2u) {
    if (lane < half) { shares[lane] += shares[lane + half]; }
    workgroupBarrier();
  }
  if (lane != 0u) { return; }
  let total = shares[0].x;
  let divisor = select(shares[0].y, params.divisor, params.divisor >= 0.0);
  if (!MEAN) {
    loss[0] = total;
    factor[0] = 1.0;
  } else if (divisor == 0.0) {
    loss[0] = select(total / divisor, 0.0, EMPTY_ZERO);
    factor[0] = 0.0;
  } else {
    loss[0] = total / divisor;
    factor[0] = 1.0 / divisor;
  }
}
