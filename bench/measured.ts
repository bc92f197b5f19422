/** What all rows of the JSON have. */

export interface Named {
  readonly name: string;
  readonly op: string;
  readonly pass: string;
}

export interface Measured extends Named {
  readonly shape: Readonly<Record<string, unknown>>;
  readonly minMs: number;
  readonly samplesMs: readonly number[];
}

/** "NAME OP PASS": what the filter sees, and what names a row in messages. */
export function title({ name, op, pass }: Named): string {
  return `${name} ${op} ${pass}`;
}
