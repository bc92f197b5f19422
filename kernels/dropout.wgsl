// dropout: the random mask of torch.nn.functional.dropout. mask[i] is 0 with probability p and KEEP otherwise.
//
// Element i depends on (seed, offset, i) alone, however the work is dispatched: it is word i % 4 of
// Philox4x32-10 with key (seed, 0) and counter (i / 4, 0, offset, 0), dropped where that word is below p * 2^32.
// J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
//
// bindings  mask: write
// params    count: number of elements; block: i / 4 of the first one in mask; threshold: p * 2^32, at most 2^32 - 1;
//           keep: what survivors are multiplied with
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

struct Params {
  count: u32,
  block: u32,
  seed: u32,
  offset: u32,
  threshold: u32,
  keep: f32,
}

@group(0) @binding(0) var<storage, read_write> mask: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

// Upper word of a 32 by 32 bit product, which WGSL does not offer: by halves.
fn mulHigh(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let mid = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let cross = (a & 0xffffu) * (b >> 16u) + (mid & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (mid >> 16u) + (cross >> 16u);
}

fn philox(start: vec4u, seed: u32) -> vec4u {
  var counter = start;
  var key = vec2u(seed, 0u);
  for (var round = 0u; round < 10u; round++) {
    counter = vec4u(
      mulHigh(0xCD9E8D57u, counter.z) ^ counter.y ^ key.x,
      0xCD9E8D57u * counter.z,
      mulHigh(0xD2511F53u, counter.x) ^ counter.w ^ key.y,
      0xD2511F53u * counter.x,
    );
    key += vec2u(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let block = id.x + id.y * groups.x * 64u;
  if (4u * block >= params.count) { return; }
  let words = philox(vec4u(params.block + block, 0u, params.offset, 0u), params.seed);
  for (var k = 0u; k < min(4u, params.count - 4u * block); k++) {
    mask[4u * block + k] = select(params.keep, 0.0, words[k] < params.threshold);
  }
}
