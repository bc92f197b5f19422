// window: rows of another length, padded or cut (torch.nn.functional.pad, torch.narrow), and rows that fill a part of
// longer ones (torch.cat, one operand at a time). Elements are 4 bytes of whatever type, copied bit by bit.
//
// main      out[o][i] = x[o][i - before] where 0 <= i - before < xRow, `filler` elsewhere; negative `before` cuts
// insert    out[o][before + i] = x[o][i]; the rest of out stays as it is
//
// bindings  x: read, out: write. Rows of xRow and outRow elements; an axis in the middle is a row of all that it spans.
// params    count: elements of out, for insert of x; before: elements; filler: bits
// ELEMENTS  that one invocation takes: on a CPU adapter starting one costs more than some elements
// dispatch  one invocation per ELEMENTS of `count`: ceil(ceil(count / ELEMENTS) / 64) workgroups, folded over y beyond 65535

const ELEMENTS: u32 = 4u; // @tune 4 16

struct Params {
  count: u32,
  xRow: u32,
  outRow: u32,
  before: i32,
  filler: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = ELEMENTS * (id.x + id.y * groups.x * 64u);
  var row = first / params.outRow; // the only division for these elements: they are followed by counting
  var column = first - row * params.outRow;
  for (var i = first; i < min(first + ELEMENTS, params.count); i++) {
    let source = i32(column) - params.before;
    var value = params.filler;
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
  let first = ELEMENTS * (id.x + id.y * groups.x * 64u);
  var row = first / params.xRow;
  var column = first - row * params.xRow;
  for (var i = first; i < min(first + ELEMENTS, params.count); i++) {
    out[row * params.outRow + u32(params.before) + column] = x[i];
    column++;
    if (column == params.xRow) {
      column = 0u;
      row++;
    }
  }
}
