import { test } from "uvu";
import * as assert from "uvu/assert";
import { applyTune, parseKernel } from "../../src/runtime/parse.ts";
import { assertRejects } from "../support/throws.ts";

const KERNEL = `// sample: a kernel with something of everything.
enable f16, subgroups;

override CHANNELS: u32;
override SLOPE: f32 = 0.25;
override HALF: u32 = CHANNELS / 2u; // a default, but no number
override FLAG: bool = false;
/* override HIDDEN: u32; */

const ROWS: u32 = 8u; // @tune 4 8 16
const FIXED: u32 = 3u;

struct Params {
  count: u32,
  offset: i32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage> plain: array<vec4f>; // reading is the default
@group(0) @binding(1) var<storage, read_write> y: array<atomic<u32>>;
@group(0) @binding(7) var<uniform> params: Params;

fn helper(i: u32) -> f32 { return deeper(i); }
fn deeper(i: u32) -> f32 { return x[i]; }

@compute @workgroup_size(64)
fn first(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.count) { atomicAdd(&y[id.x], u32(helper(id.x))); }
}

@compute @workgroup_size(ROWS, 2u)
fn second() {
  var s: Copy;
  s.y = plain[0].x; // fields called like bindings are none
}
`;

test("everything declared is found", () => {
  const { enables, bindings, overrides, params, tune } = parseKernel(KERNEL, "sample");
  assert.equal(enables, ["f16", "subgroups"]);
  assert.equal(bindings, {
    x: { binding: 0, access: "read", type: "f32" },
    plain: { binding: 2, access: "read", type: "vec4f" },
    y: { binding: 1, access: "read_write", type: "atomic<u32>" },
    params: { binding: 7, access: "uniform", type: "Params" },
  });
  assert.equal(overrides, {
    CHANNELS: { type: "u32", optional: false, value: null },
    SLOPE: { type: "f32", optional: true, value: 0.25 },
    HALF: { type: "u32", optional: true, value: null },
    FLAG: { type: "bool", optional: true, value: null },
  });
  assert.equal(Object.entries(params), [
    ["count", "u32"],
    ["offset", "i32"],
    ["scale", "f32"],
  ]);
  assert.equal(tune, { ROWS: { value: 8, choices: [4, 8, 16] } });
});

test("an entry point has the bindings that it reaches, through functions too", () => {
  const { entries } = parseKernel(KERNEL, "sample");
  assert.equal(entries, {
    first: { bindings: ["x", "y", "params"], workgroup: ["64"] },
    second: { bindings: ["plain"], workgroup: ["ROWS", "2"] },
  });
});

const broken: readonly (readonly [what: string, from: string, to: string, ...message: string[]])[] = [
  ["an override of another type", "override FLAG: bool", "override FLAG: vec4f", "override FLAG has type vec4f"],
  ["a second group", "@group(0) @binding(2)", "@group(1) @binding(2)", "binding plain is in group 1"],
  ["a uniform of another name", "params: Params;", "settings: Params;", "at most one uniform binding, named params"],
  ["a struct that is not there", "struct Params", "struct Other", "no struct Params"],
  ["a param that is no 4-byte number", "scale: f32", "scale: f16", "field scale has type f16"],
  ["a param that is an array", "scale: f32", "scale: array<f32, 4>", 'cannot read field "scale: array<f32"'],
  [
    "an entry point without size",
    "@compute @workgroup_size(64)",
    "@compute",
    "entry point first has no @workgroup_size",
  ],
];
for (const [what, from, to, ...message] of broken) {
  test(`${what} is refused, naming the file`, async () => {
    await assertRejects(
      () => parseKernel(KERNEL.replace(from, to), "sample"),
      Error,
      "kernels/sample.wgsl: ",
      ...message,
    );
  });
}

test("a file without entry point is refused", async () => {
  await assertRejects(
    () => parseKernel("fn helper() {}", "sample"),
    Error,
    "kernels/sample.wgsl: no @compute entry point",
  );
});

test("tuning rewrites the marked constant and nothing else", () => {
  assert.is(applyTune(KERNEL, "sample", {}), KERNEL);
  assert.is(applyTune(KERNEL, "sample", { ROWS: 16 }), KERNEL.replace("ROWS: u32 = 8u", "ROWS: u32 = 16u"));
});

test("tuning refuses constants and values that the file does not offer", async () => {
  await assertRejects(() => applyTune(KERNEL, "sample", { FIXED: 4 }), Error, "no @tune constant FIXED", "it has ROWS");
  await assertRejects(
    () => applyTune(KERNEL, "sample", { ROWS: 5 }),
    Error,
    "ROWS = 5 is not among the choices 4, 8, 16",
  );
});

test.run();
