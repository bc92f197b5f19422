/** The tape over plain values: it knows nothing of tensors, and neither do these tests. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { backward, createNode, isGradEnabled, noGrad } from "../../src/autograd/tape.ts";
import type { BackwardOptions, Leaf, Node } from "../../src/autograd/tape.ts";
import { seededRandom } from "../support/random.ts";

/** A gradient: a number with an identity, so that releases can be counted. */
class Value {
  readonly number: number;
  released = 0;

  constructor(number: number) {
    this.number = number;
  }
}

interface Parameter extends Leaf<Value> {
  readonly received: Value[];
  readonly total: number;
}

function leaf(): Parameter {
  const received: Value[] = [];
  return {
    kind: "leaf",
    received,
    get total() {
      return received.reduce((sum, { number }) => sum + number, 0);
    },
    accumulate: (grad) => void received.push(grad),
  };
}

type Edge = Node<Value> | Leaf<Value> | null;

/** y = sum of factor_i * input_i. */
function linear(
  name: string,
  terms: readonly (readonly [input: Edge, factor: number])[],
  owned: Value[] = [],
): Node<Value> {
  const grads = (grad: Value) => terms.map(([, factor]) => new Value(factor * grad.number));
  return createNode(
    name,
    terms.map(([input]) => input),
    grads,
    owned,
  );
}

/** Runs backward from 1, and returns every value that was made by adding. */
function run(root: Node<Value>, options: Partial<BackwardOptions<Value>> = {}, seed = new Value(1)): Value[] {
  const sums: Value[] = [];
  backward(root, seed, {
    add: (a, b) => {
      sums.push(new Value(a.number + b.number));
      return sums.at(-1)!;
    },
    release: (value) => void value.released++,
    ...options,
  });
  return sums;
}

test("a graph of 100000 nodes in a row", () => {
  const x = leaf();
  let y: Node<Value> = linear("first", [[x, 3]]);
  for (let i = 0; i < 1e5; i++) y = linear("step", [[y, i % 2 === 0 ? 2 : 0.5]]);
  run(y);
  assert.is(x.total, 3);
});

test("shared parts of the graph run once, with the sum of their gradients", () => {
  const x = leaf();
  let calls = 0;
  let y: Node<Value> = linear("first", [[x, 1]]);
  for (let i = 0; i < 50; i++) {
    const below = y;
    y = createNode("double", [below, below], (grad) => {
      calls++;
      return [new Value(grad.number), new Value(grad.number)];
    });
  }
  run(y);
  assert.is(calls, 50);
  assert.is(x.total, 2 ** 50);
  assert.is(x.received.length, 1);
});

test("a node runs after everything that feeds it, however long the other paths are", () => {
  const order: string[] = [];
  const traced = (name: string, inputs: readonly Edge[]): Node<Value> =>
    createNode(name, inputs, (grad) => {
      order.push(name);
      return inputs.map(() => new Value(grad.number));
    });
  const x = leaf();
  const shared = traced("shared", [x]);
  const long = traced("long 1", [traced("long 2", [traced("long 3", [shared])])]);
  run(traced("root", [shared, long, shared]));
  assert.is(order.at(-1), "shared");
  assert.is(order.length, 5);
  assert.is(x.total, 3);
});

test("the order of additions depends on the graph alone", () => {
  const build = (): [Node<Value>, Parameter] => {
    const x = leaf();
    const shared = linear("shared", [[x, 1]]);
    const terms = [1e16, 1, -1e16, 1].map((factor) => [linear("term", [[shared, factor]]), 1] as const);
    return [linear("sum", terms), x];
  };
  const totals = [1, 2].map(() => {
    const [root, x] = build();
    run(root);
    return x.total;
  });
  assert.is(totals[0], totals[1]);
});

test("leaves receive one gradient per use and per backward", () => {
  const x = leaf();
  const y = linear("y", [
    [x, 2],
    [x, 5],
  ]);
  run(y, { retainGraph: true });
  assert.equal(
    x.received.map(({ number }) => number),
    [2, 5],
  );
  run(y);
  assert.is(x.total, 14);
});

test("no gradient flows into null inputs or out of null gradients", () => {
  const [x, z] = [leaf(), leaf()];
  let reached = false;
  const below = createNode<Value>("below", [z], () => {
    reached = true;
    return [null];
  });
  const y = createNode<Value>("y", [x, null, below], (grad) => [grad, new Value(7), null]);
  run(y);
  assert.is(x.total, 1);
  assert.not(reached);
  assert.is(z.received.length, 0);
  assert.ok(below.consumed, "what is not reached is over as well");
});

test("a second backward is refused by the name of the node, before anything has happened", () => {
  const x = leaf();
  const shared = linear("shared", [[x, 2]]);
  run(linear("once", [[shared, 1]]));
  const again = linear("again", [
    [x, 10],
    [shared, 1],
  ]);
  assert.throws(() => run(again), /second time: the values saved by shared have already been freed.*retainGraph: true/);
  assert.is(x.total, 2);
});

test("retainGraph keeps what was saved, for any number of times", () => {
  const x = leaf();
  const saved = new Value(0);
  const y = linear("y", [[x, 2]], [saved]);
  run(y, { retainGraph: true });
  run(y, { retainGraph: true });
  assert.is(saved.released, 0);
  run(y);
  assert.is(saved.released, 1);
  assert.is(x.total, 6);
});

test("a backward with the wrong number of gradients is reported", () => {
  const y = createNode<Value>("careless", [leaf(), leaf()], (grad) => [grad]);
  assert.throws(() => run(y), "careless: backward returned 1 gradients for 2 inputs");
});

test("every value is released exactly once, but not those that leaves keep", () => {
  const random = seededRandom(5);
  const made: Value[] = [];
  const make = (number: number): Value => {
    made.push(new Value(number));
    return made.at(-1)!;
  };
  const leaves = Array.from({ length: 5 }, leaf);
  const owned: Value[] = [];
  const nodes: Node<Value>[] = [];
  const pick = (): Edge => {
    const choice = random();
    if (choice < 0.1) return null;
    return choice < 0.3 || nodes.length === 0
      ? leaves[Math.floor(random() * 5)]
      : nodes[Math.floor(random() * nodes.length)];
  };
  for (let i = 0; i < 300; i++) {
    const inputs = Array.from({ length: 1 + Math.floor(random() * 3) }, pick);
    const own = new Value(0);
    owned.push(own);
    // Passing the gradient on as it is, once or for several inputs, making new ones, or none.
    const kind = Math.floor(random() * 4);
    const grads = (grad: Value) =>
      inputs.map((_, at) => (kind === 0 || (kind === 1 && at === 0) ? grad : kind === 3 && at === 1 ? null : make(1)));
    nodes.push(createNode(`node ${i}`, inputs, grads, [own]));
  }
  const seed = make(1);
  const root = createNode<Value>("root", nodes, (grad) => nodes.map(() => grad));
  const sums = run(root, {}, seed);

  const kept = new Set(leaves.flatMap(({ received }) => received));
  assert.ok(kept.size > 20 && made.length > 200 && sums.length > 200);
  for (const value of [...made, ...sums]) assert.is(value.released, kept.has(value) ? 0 : 1);
  for (const value of owned) assert.is(value.released, 1);
});

test("noGrad switches recording off and always back on", () => {
  assert.ok(isGradEnabled());
  const inner = noGrad(() => [isGradEnabled(), noGrad(isGradEnabled), isGradEnabled()]);
  assert.equal(inner, [false, false, false]);
  assert.ok(isGradEnabled());
  assert.throws(
    () =>
      noGrad(() => {
        throw new Error("midway");
      }),
    "midway",
  );
  assert.ok(isGradEnabled());
});

test.run();
