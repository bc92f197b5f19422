// elementwise: arithmetic on f32 arrays with broadcasting (torch.add, sub, mul, div; torch.Tensor.expand).
//
// binary    out[i] = a[place of i in a] OP b[place of i in b]
// scale     out[i] = factor * a[place of i in a]
// OP        0 add, 1 subtract, 2 multiply, 3 divide
// AXES      1: n4 = count, both operands have the output's shape or are scalars
//           2: rows of n4 elements; operands may repeat along the rows (a vector per row) or within them (a column)
//           5: anything else with up to five axes
//
// The output is contiguous. Its axes are aligned to the right: the innermost has n4 elements, then n3, n2, n1. One step
// along axis k moves a by a_k and b by b_k elements; 0 repeats the same element. Fewer axes: sizes 1 in front.
//
// bindings  binary: a, b read, out write; scale: a read, out write. out may not alias an operand.
// params    count: elements of out; n1, n2, n3, n4; a0, a1, a2, a3, a4; b0, b1, b2, b3, b4 (read by binary only);
//           factor (read by scale only)
// dispatch  one invocation per 4 elements: ceil(ceil(count / 4) / 64) workgroups, folded over y beyond 65535

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
  a4: u32,
  b0: u32,
  b1: u32,
  b2: u32,
  b3: u32,
  b4: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
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

fn calculate(x: f32, y: f32) -> f32 {
  switch (OP) {
    case 0u: { return x + y; }
    case 1u: { return x - y; }
    case 2u: { return x * y; }
    default: { return x / y; }
  }
}

@compute @workgroup_size(64)
fn binary(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = 4u * (id.x + id.y * groups.x * 64u);
  var row = 0u;
  var column = first;
  if (AXES > 1u) { // the only division for these four elements: they are followed by counting
    row = first / params.n4;
    column = first - row * params.n4;
  }
  var aStart = startInA(row);
  var bStart = startInB(row);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    out[i] = calculate(a[aStart + column * params.a4], b[bStart + column * params.b4]);
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
  let first = 4u * (id.x + id.y * groups.x * 64u);
  var row = 0u;
  var column = first;
  if (AXES > 1u) {
    row = first / params.n4;
    column = first - row * params.n4;
  }
  var aStart = startInA(row);
  for (var i = first; i < min(first + 4u, params.count); i++) {
    out[i] = params.factor * a[aStart + column * params.a4];
    column++;
    if (AXES > 1u && column == params.n4) {
      column = 0u;
      row++;
      aStart = startInA(row);
    }
  }
}
