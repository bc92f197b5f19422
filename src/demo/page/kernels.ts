/** The tab "Kernels": the benchmark's rows on this adapter. */
import type { BenchResult } from "../kernel_bench.ts";
import type { App } from "./app.ts";
import { announce, byId, element } from "./dom.ts";

const PASSES = { forward: "", backwardInput: ", input gradient", backwardWeight: ", weight gradient" } as const;

export function openKernels(app: App): void {
  const button = byId<HTMLButtonElement>("measure");
  const body = byId<HTMLTableElement>("bench").tBodies[0];
  const say = (text: string): void => void (byId("bench-status").textContent = text);
  let [peak, expected] = ["", 0];

  const show = (result: BenchResult): void => {
    if (result.kind === "peak") {
      const { gflops, gbps } = result.peak;
      expected = result.rows;
      peak = `Peak of this adapter: ${figure(gflops)} GFLOP/s, ${figure(gbps)} GB/s copied.`;
    } else {
      const { name, op, pass } = result.row;
      const words = [name.replace("tiny ", ""), `${op}${PASSES[pass]}`];
      body.append(element("tr", {}, ...words.map((text) => element("td", {}, text)), ...measured(result)));
    }
    say(`${peak} ${body.rows.length} of ${expected} rows …`);
  };
  app.onEngine((event) => event.kind === "bench" && show(event.result));

  button.addEventListener("click", () => app.attempt(async () => {
    body.replaceChildren();
    button.disabled = true;
    peak = "";
    say("Measuring the adapter's peak …");
    announce("Measuring.");
    try {
      await app.engine.bench();
      say(peak);
      announce(`${body.rows.length} rows are measured. ${peak}`);
    } catch (cause) {
      say(`Stopped. ${peak}`);
      throw cause;
    } finally {
      button.disabled = false;
    }
  }));
}

function measured(result: Exclude<BenchResult, { kind: "peak" }>): HTMLElement[] {
  if (result.kind === "wrong") {
    return [element("td", { colSpan: 5, className: "wrong" }, `wrong, not timed: ${result.problem}`)];
  }
  const { variant, minMs, gflops, percentOfPeak } = result.row;
  const numbers = [figure(minMs), figure(gflops), `${figure(percentOfPeak)} %`];
  return [
    ...[result.label, variant].map((text) => element("td", {}, text)),
    ...numbers.map((text) => element("td", { className: "number" }, text)),
  ];
}

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
