/** Running a command of this package as a process of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Variables of the environment besides those of this process. */
type Environment = Readonly<Record<string, string>>;

/** Starts `src/cli/NAME.ts`. */
export function startCommand(name: string, args: readonly string[], environment: Environment = {}): Running {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, ["--import", "tsx", `src/cli/${name}.ts`, ...args], { cwd: ROOT, env });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...output }));
  });
  return { child, ended };
}

export function runCommand(name: string, args: readonly string[], environment?: Environment): Promise<Ended> {
  return startCommand(name, args, environment).ended;
}
