/** The peers are packages of their own folder, fetched when they are first asked for. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { UserError } from "../../src/errors.ts";

const folder = new URL(".", import.meta.url);

/** @throws UserError where npm fails, whose own words then stand above */
export function installPeers(): void {
  const description = readFileSync(new URL("package.json", folder), "utf8");
  const { dependencies } = JSON.parse(description) as { dependencies: object };
  if (Object.keys(dependencies).every((name) => existsSync(new URL(`node_modules/${name}`, folder)))) return;
  const command = "npm ci --prefix bench/peers";
  process.stderr.write(`Not all peers are installed yet: ${command}\n`);
  const root = new URL("../../", folder);
  const { status } = spawnSync(command, { cwd: root, stdio: ["ignore", "ignore", "inherit"], shell: true });
  if (status !== 0) throw new UserError(`${command} failed: put right what it says above, and start again`);
}
