/**
 * Reverse-mode automatic differentiation over values of any type V. The tape knows neither tensors nor GPUs: whoever
 * records a node says how a gradient flows through it, and `backward` walks the graph.
 */

/** One recorded operation. Its inputs are the nodes and leaves that its gradient flows into (null: no gradient). */
export interface Node<V> {
  readonly kind: "node";
  readonly name: string;
  /** Place in the order of creation. */
  readonly serial: number;
  readonly inputs: readonly (Node<V> | Leaf<V> | null)[];
  /** Gradient of the output in, one gradient per input out; null where none flows. */
  readonly backward: (grad: V) => readonly (V | null)[];
  /** Values that only this node's backward needs: released once it has run. */
  readonly owned: readonly V[];
  /** Throws where a value that backward reads is no longer what it was. */
  readonly check?: () => void;
  /**
   * In place of `backward`: records the part of the graph that this node stands for and returns its root. The part ends
   * in leaves and in `inputs`. See checkpoint.ts.
   */
  readonly expand?: () => Node<V>;
  /** Set by `backward`: the saved values are gone. */
  consumed: boolean;
}

/** A place where gradients end: a parameter or an input that asked for its gradient. */
export interface Leaf<V> {
  readonly kind: "leaf";
  readonly accumulate: (grad: V) => void;
}

export interface BackwardOptions<V> {
  /** Sum of two gradients that reach the same node. */
  readonly add: (a: V, b: V) => V;
  /** Called when nothing in the graph will read a value any more. */
  readonly release?: (value: V) => void;
  /** Keeps the saved values so that backward may run again. */
  readonly retainGraph?: boolean;
}

let gradEnabled = true;

/** Whether operations are recorded; see `noGrad`. */
export function isGradEnabled(): boolean {
  return gradEnabled;
}

/** Runs `fn` without recording. Synchronous code only: the flag is global. */
export function noGrad<T>(fn: () => T): T {
  return withGrad(false, fn);
}

/** Runs `fn` with recording, also inside of `noGrad`. Synchronous code only. */
export function enableGrad<T>(fn: () => T): T {
  return withGrad(true, fn);
}

function withGrad<T>(enabled: boolean, fn: () => T): T {
  const before = gradEnabled;
  gradEnabled = enabled;
  try {
    return fn();
  } finally {
    gradEnabled = before;
  }
}

let nodes = 0;

/** The serial of the next node. */
export function nextSerial(): number {
  return nodes;
}

export function createNode<V>(
  name: string,
  inputs: readonly (Node<V> | Leaf<V> | null)[],
  backward: (grad: V) => readonly (V | null)[],
  owned: readonly V[] = [],
  hooks: Pick<Node<V>, "check" | "expand"> = {},
): Node<V> {
  return { kind: "node", name, serial: nodes++, inputs, backward, owned, ...hooks, consumed: false };
}

/**
 * Propagates `seed`, the gradient of the root's output, to every leaf below it. Gradients meeting at a node are summed
 * in the order in which their paths are finished, which depends on the graph alone: the same graph, the same sums.
 */
export function backward<V>(root: Node<V>, seed: V, options: BackwardOptions<V>): void {
  const order = topologicalOrder(root);
  for (const node of order) {
    if (node.consumed) {
      throw new Error(
        `Trying to backward through the graph a second time: the values saved by ${node.name} have already been freed. ` +
          "Pass retainGraph: true to the first backward if you need a second one.",
      );
    }
  }
  const pending = new Map<Node<V>, V>([[root, seed]]);
  const holders = new Map<V, number>([[seed, 1]]);
  const hold = (value: V) => holders.set(value, (holders.get(value) ?? 0) + 1);
  const drop = (value: V) => {
    const left = holders.get(value)! - 1;
    holders.set(value, left);
    if (left === 0) options.release?.(value);
  };

  const flow = (node: Node<V>, grad: V): void => {
    const grads = node.backward(grad);
    if (grads.length !== node.inputs.length) {
      throw new Error(`${node.name}: backward returned ${grads.length} gradients for ${node.inputs.length} inputs`);
    }
    grads.forEach((g) => g !== null && hold(g));
    node.inputs.forEach((input, i) => {
      const g = grads[i];
      if (g === null) return;
      if (input === null) return drop(g);
      if (input.kind === "leaf") return input.accumulate(g); // the leaf is a holder for good
      const other = pending.get(input);
      if (other === undefined) {
        pending.set(input, g);
        return;
      }
      const sum = options.add(other, g);
      hold(sum);
      pending.set(input, sum);
      drop(other);
      drop(g);
    });
    drop(grad);
  };

  const visit = (node: Node<V>, retain: boolean): void => {
    const grad = pending.get(node);
    pending.delete(node);
    const free = (): void => {
      if (retain) return;
      node.consumed = true;
      node.owned.forEach((value) => options.release?.(value));
    };
    if (grad !== undefined) node.check?.();
    if (node.expand) free(); // nothing of what it makes anew reads them
    if (grad !== undefined && node.expand) {
      const part = node.expand();
      pending.set(part, grad);
      for (const inner of topologicalOrder(part, node.inputs)) visit(inner, false);
    } else if (grad !== undefined) {
      flow(node, grad);
    }
    if (!node.expand) free();
  };
  for (const node of order) visit(node, options.retainGraph ?? false);
}

/**
 * Every node reachable from the root without passing `ends`, each before the nodes it feeds gradients into. Explicit
 * stack: graphs are deep.
 */
export function topologicalOrder<V>(root: Node<V>, ends: Node<V>["inputs"] = []): Node<V>[] {
  const finished: Node<V>[] = [];
  const seen = new Set<Node<V> | Leaf<V> | null>([root, ...ends]);
  const stack: { node: Node<V>; next: number }[] = [{ node: root, next: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.next === top.node.inputs.length) {
      finished.push(top.node);
      stack.pop();
      continue;
    }
    const input = top.node.inputs[top.next++];
    if (input?.kind === "node" && !seen.has(input)) {
      seen.add(input);
      stack.push({ node: input, next: 0 });
    }
  }
  return finished.reverse();
}
