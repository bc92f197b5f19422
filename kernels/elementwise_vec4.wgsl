// elementwise_vec4: elementwise.wgsl for four neighbouring elements at a time.
//
// The same formulas, bindings, overrides and params with vec4f for f32: count, n4 and the strides count vectors. Every
// operand runs along the innermost axis with the output (there is no a4, b4: they are 1), so operands that repeat
// within a row are not for this kernel; n4 and the strides of elementwise.wgsl must be multiples of 4.
//
// VECTORS   that one invocation takes: on a CPU adapter starting one costs more than a vector
// dispatch  one invocation per VECTORS vectors: ceil(ceil(count / VECTORS) / 64) workgroups, folded over y beyond 65535

const VECTORS: u32 = 2u; // @tune 2 16
override OP: u32 = 0u;
override AXES: u32 = 1u;

struct Params {
  count: u32,
  n1: u32,
  n2: u32,
  n3: u32,
  n4: u32,
  a0: u32,
  a1: u32,
  a2: u32,
  a3: u32,
  b0: u32,
  b1: u32,
  b2: u32,
  b3: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

// Where a row begins in an operand whose strides along the four outer axes are given.
fn rowStart(row: u32, s0: u32, s1: u32, s2: u32, s3: u32) -> u32 {
  if (AXES <= 2u) { return row * s3; }
  let i2 = row / params.n3;
  let i1 = i2 / params.n2;
  let i0 = i1 / params.n1;
  return (row - i2 * params.n3) * s3 + (i2 - i1 * params.n2) * s2 + (i1 - i0 * params.n1) * s1 + i0 * s0;
}

fn startInA(row: u32) -> u32 {
  return rowStart(row, params.a0, params.a1, params.a2, params.a3);
}

fn startInB(row: u32) -> u32 {
  return rowStart(row, params.b0, params.b1, params.b2, params.b3);
}

fn calculate(x: vec4f, y: vec4f) -> vec4f {
  switch (OP) {
    case 0u: { return x + y; }
    case 1u: { return x - y; }
    case 2u: { return x * y; }
    default: { return x / y; }
  }
}

@compute @workgroup_size(64)
fn binary(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = VECTORS * (id.x + id.y * groups.x * 64u);
  var row = 0u;
  var column = first;
  if (AXES > 1u) { // the only division: the vectors after the first are found by counting
    row = first / params.n4;
    column = first - row * params.n4;
  }
  var aStart = startInA(row);
  var bStart = startInB(row);
  for (var i = first; i < min(first + VECTORS, params.count); i++) {
    out[i] = calculate(a[aStart + column], b[bStart + column]);
    column++;
    if (AXES > 1u && column == params.n4) {
      column = 0u;
      row++;
      aStart = startInA(row);
      bStart = startInB(row);
    }
  }
}

@compute @workgroup_size(64)
fn scale(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = VECTORS * (id.x + id.y * groups.x * 64u);
  var row = 0u;
  var column = first;
  if (AXES > 1u) {
    row = first / params.n4;
    column = first - row * params.n4;
  }
  var aStart = startInA(row);
  for (var i = first; i < min(first + VECTORS, params.count); i++) {
    out[i] = params.factor * a[aStart + column];
    column++;
    if (AXES > 1u && column == params.n4) {
      column = 0u;
      row++;
      aStart = startInA(row);
    }
  }
}
