// window_vec4: window.wgsl for four neighbouring elements at a time.
//
// The same formulas, bindings and params with vec4u for u32: count, xRow, outRow and before count vectors. Row lengths
// and the shift must be multiples of 4 elements; filler is one element, as there.
//
// VECTORS   that one invocation takes: on a CPU adapter starting one costs more than a vector
// dispatch  one invocation per VECTORS vectors of `count`: ceil(ceil(count / VECTORS) / 64) workgroups, folded over y
//           beyond 65535

const VECTORS: u32 = 2u; // @tune 2 16

struct Params {
  count: u32,
  xRow: u32,
  outRow: u32,
  before: i32,
  filler: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = VECTORS * (id.x + id.y * groups.x * 64u);
  var row = first / params.outRow; // the only division: the vectors after the first are found by counting
  var column = first - row * params.outRow;
  for (var i = first; i < min(first + VECTORS, params.count); i++) {
    let source = i32(column) - params.before;
    var value = vec4u(params.filler);
    if (source >= 0 && source < i32(params.xRow)) { value = x[row * params.xRow + u32(source)]; }
    out[i] = value;
    column++;
    if (column == params.outRow) {
      column = 0u;
      row++;
    }
  }
}

@compute @workgroup_size(64)
fn insert(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = VECTORS * (id.x + id.y * groups.x * 64u);
  var row = first / params.xRow;
  var column = first - row * params.xRow;
  for (var i = first; i < min(first + VECTORS, params.count); i++) {
    out[row * params.outRow + u32(params.before) + column] = x[i];
    column++;
    if (column == params.xRow) {
      column = 0u;
      row++;
    }
  }
}
