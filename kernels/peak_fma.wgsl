// peak_fma: as many fused multiply-adds as an adapter manages (torch.addcmul without memory traffic), to compare other
// kernels with.
//
// Every chain is x = fma(x, factor, term), iterated; the chains do not depend on each other, so that the units never
// wait. Operands come from a buffer and the sum of the chains is stored, so that nothing can be left out or folded.
//
// scalar    12 chains of f32: 192 multiply-adds per iteration. Chains and operands fit 16 vector registers, which is
//           what CPU adapters have
// vector    8 chains of vec4f: 256 multiply-adds per iteration, for GPUs that pair or quadruple neighbouring components
//
// bindings  operands: read, [2]: factor and term, such as 0.999 and 0.001; out: write, one value per invocation
// params    iterations
// dispatch  any number of workgroups of 64; out has one element per invocation

struct Params {
  iterations: u32,
}

@group(0) @binding(0) var<storage, read> operands: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn scalar(@builtin(global_invocation_id) id: vec3u) {
  let f = operands[0];
  let t = operands[1];
  let x = f32(id.x & 7u);
  var a = x;
  var b = x + 1.0;
  var c = x + 2.0;
  var d = x + 3.0;
  var e = x + 4.0;
  var g = x + 5.0;
  var h = x + 6.0;
  var i = x + 7.0;
  var j = x + 8.0;
  var k = x + 9.0;
  var l = x + 10.0;
  var m = x + 11.0;
  for (var n = 0u; n < params.iterations; n++) {
    for (var unrolled = 0u; unrolled < 16u; unrolled++) {
      a = fma(a, f, t);
      b = fma(b, f, t);
      c = fma(c, f, t);
      d = fma(d, f, t);
      e = fma(e, f, t);
      g = fma(g, f, t);
      h = fma(h, f, t);
      i = fma(i, f, t);
      j = fma(j, f, t);
      k = fma(k, f, t);
      l = fma(l, f, t);
      m = fma(m, f, t);
    }
  }
  if (id.x < arrayLength(&out)) { out[id.x] = a + b + c + d + e + g + h + i + j + k + l + m; }
}

@compute @workgroup_size(64)
fn vector(@builtin(global_invocation_id) id: vec3u) {
  let f = vec4f(operands[0]);
  let t = vec4f(operands[1]);
  let x = vec4f(f32(id.x & 7u)) + vec4f(0.0, 1.0, 2.0, 3.0);
  var a = x;
  var b = x + 1.0;
  var c = x + 2.0;
  var d = x + 3.0;
  var e = x + 4.0;
  var g = x + 5.0;
  var h = x + 6.0;
  var i = x + 7.0;
  for (var n = 0u; n < params.iterations; n++) {
    for (var unrolled = 0u; unrolled < 8u; unrolled++) {
      a = fma(a, f, t);
      b = fma(b, f, t);
      c = fma(c, f, t);
      d = fma(d, f, t);
      e = fma(e, f, t);
      g = fma(g, f, t);
      h = fma(h, f, t);
      i = fma(i, f, t);
    }
  }
  if (id.x < arrayLength(&out)) { out[id.x] = dot(a + b + c + d + e + g + h + i, vec4f(1.0)); }
}
