/** The rows of kernels: their rates, and the table for people. */
import type { Timing } from "./clock.ts";
import type { Peak } from "./peak.ts";
import type { Pass, Workload } from "./workload.ts";

export interface Row {
  readonly name: string;
  readonly op: string;
  readonly pass: Pass;
  readonly shape: Readonly<Record<string, unknown>>;
  readonly variant: string;
  /** Milliseconds; the rates are those of the fastest sample. */
  readonly medianMs: number;
  readonly minMs: number;
  /** Fastest first: how far they lie apart is the noise. */
  readonly samplesMs: readonly number[];
  readonly gflops: number;
  /** Every operand and every result counted once. */
  readonly gbps: number;
  /** Of the peak that the row is nearer to, arithmetic or memory; above 100 where caches hold the operands. */
  readonly percentOfPeak: number;
}

export function toRow(workload: Workload, variant: string, { medianMs, minMs, samplesMs }: Timing, peak: Peak): Row {
  const { name, op, pass, shape } = workload;
  const gflops = workload.flops / minMs / 1e6;
  const gbps = workload.bytes / minMs / 1e6;
  const percentOfPeak = 100 * Math.max(gflops / peak.gflops, gbps / peak.gbps);
  const times = { medianMs, minMs, samplesMs };
  return { name, op: op.name, pass, shape, variant, ...times, gflops, gbps, percentOfPeak };
}

/** Lines of a table whose columns fit these workloads. */
export class Table {
  readonly #name: number;
  readonly #label: number;

  constructor(workloads: readonly Workload[]) {
    this.#name = Math.max(...workloads.map(({ name }) => name.length));
    this.#label = Math.max(...workloads.map(({ label }) => label.length));
  }

  header(): string {
    return this.#line("name", "op", "pass", "variant", "shape", ["min ms", "median", "GFLOP/s", "GB/s", "% peak"]);
  }

  row({ name, label }: Workload, row: Row): string {
    const spread = row.medianMs / row.minMs - 1;
    const numbers = [short(row.minMs), `+${Math.round(100 * spread)} %`, short(row.gflops), short(row.gbps)];
    return this.#line(name, row.op, row.pass, row.variant, label, [...numbers, short(row.percentOfPeak)]);
  }

  #line(name: string, op: string, pass: string, variant: string, label: string, numbers: readonly string[]): string {
    const words = [
      name.padEnd(this.#name),
      op.padEnd(20),
      pass.padEnd(14),
      variant.padEnd(13),
      label.padEnd(this.#label),
    ];
    return [...words, ...numbers.map((text) => text.padStart(8))].join("  ");
  }
}

export const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
