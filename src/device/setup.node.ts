import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { backportsSource, hasSuite, type SourceFile } from "./apt.ts";
import { describe } from "./capabilities.ts";
import { NoAdapterError, openDevice, type OpenDevice, type OpenOptions } from "./open.node.ts";

const PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];
/** Dawn refuses the software driver of Mesa 22.3 ("shaderUniform*ArrayDynamicIndexing required"); 24.0 works. */
const LAST_REFUSED_MESA = 22;
/** The Debian release whose own Mesa is that old, while its backports have a newer one. */
const RELEASE_WITH_OLD_MESA = "bookworm";
const SOURCE_NAME = "mcibi-webgpu-backports";
// A list that cannot be reached must not hold everything up, and another installer at work is waited for.
const APT_OPTIONS = "Acquire::Retries=1 Acquire::http::Timeout=30 Acquire::https::Timeout=30 DPkg::Lock::Timeout=300"
  .split(" ")
  .map((option) => `--option=${option}`);

/**
 * `openDevice` for the commands of a checkout: on a Linux machine without any WebGPU adapter, it first installs Mesa's
 * software Vulkan driver. A machine that has an adapter, and a package inside somebody's node_modules, stay untouched.
 * Call it before anything that must not happen twice: where an older driver is still loaded, the command is run anew.
 * Errors: those of `openDevice`, and a UserError with the commands to run where this process may not install.
 */
export async function openDeviceOrSetUp(options: OpenOptions = {}): Promise<OpenDevice> {
  try {
    return await openDevice(options);
  } catch (error) {
    const isDependency = import.meta.url.includes("/node_modules/");
    if (!(error instanceof NoAdapterError) || process.platform !== "linux" || isDependency || !hasApt()) throw error;
  }
  const mesa = installedMesa();
  if (mesa !== undefined) {
    // Installing once more would not help, and would be tried at every start.
    throw new UserError(
      `no WebGPU adapter was found, although Mesa ${mesa} and the Vulkan loader are installed. See whether ` +
        "VK_DRIVER_FILES or VK_ICD_FILENAMES hides the drivers, and what `vulkaninfo --summary` says.",
    );
  }
  install(planInstallation(readSources(), releaseCodename()));
  try {
    const opened = await openDevice(options);
    say(`The adapter is there: ${describe(opened.info)}`);
    return opened;
  } catch (error) {
    if (!(error instanceof NoAdapterError)) throw error;
    return runCommandAnew();
  }
}

/** What has to be done, to be carried out or to be printed for somebody who may. */
export interface Installation {
  /** A file to add to apt's sources first. */
  source: SourceFile | undefined;
  /** Arguments of apt-get, one call after the other. */
  aptGet: string[][];
}

export function planInstallation(sources: SourceFile[], codename: string): Installation {
  let source: SourceFile | undefined;
  let target: string[] = [];
  if (codename === RELEASE_WITH_OLD_MESA) {
    const suite = `${codename}-backports`;
    if (!hasSuite(sources, suite)) {
      source = backportsSource(sources, codename, SOURCE_NAME);
      if (source === undefined) {
        const paths = sources.map(({ path }) => path).join(", ") || "apt's sources";
        throw new UserError(
          `no WebGPU adapter was found, and none of ${paths} names a Debian archive with ${codename}. ` +
            `Add ${suite} to them and install ${PACKAGES.join(" and ")} from it.`,
        );
      }
    }
    target = ["-t", suite];
  }
  return { source, aptGet: [["update"], ["install", "--yes", "--no-install-recommends", ...target, ...PACKAGES]] };
}

/** The installation as lines for a root shell. */
export function shellLines({ source, aptGet }: Installation): string {
  const write = source === undefined ? "" : `cat > ${source.path} <<'END'\n${source.text}END\n`;
  return write + aptGet.map((args) => `DEBIAN_FRONTEND=noninteractive apt-get ${args.join(" ")}\n`).join("");
}

/** What `openDeviceOrSetUp` would run where there is no adapter; null where it does not know, or it is done already. */
export function installationLines(): string | null {
  if (!hasApt() || installedMesa() !== undefined) return null;
  try {
    return shellLines(planInstallation(readSources(), releaseCodename()));
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

function install(installation: Installation): void {
  const { source, aptGet } = installation;
  if (process.getuid?.() !== 0) {
    throw new UserError(
      "no WebGPU adapter was found. Installing Mesa's software Vulkan driver, on which everything here runs, " +
        `needs root. As root, run these lines, then start again:\n\n${shellLines(installation)}`,
    );
  }
  say("No WebGPU adapter on this machine: installing Mesa's software Vulkan driver, so that shaders run on the CPU.");
  say("(If there is a GPU, its maker's Vulkan driver makes it the adapter from then on.) This takes a minute or two.");
  try {
    if (source !== undefined) {
      say(`+ write ${source.path}: Dawn refuses Mesa ${LAST_REFUSED_MESA} and older, the backports have a newer one`);
      writeFileSync(source.path, source.text);
    }
    // Updating fails as soon as one list of many cannot be had: what counts is what is installed in the end.
    const output = aptGet.map(runAptGet).join("");
    if (installedMesa() === undefined) {
      throw new UserError(
        `installing ${PACKAGES.join(" and ")} failed:\n${output}` +
          "Put this right, or install a Vulkan driver another way, and start again. The lines that were tried:\n\n" +
          shellLines(installation),
      );
    }
  } catch (error) {
    if (source !== undefined) rmSync(source.path, { force: true });
    throw error;
  }
}

/** What apt-get printed. */
function runAptGet(args: string[]): string {
  say(`+ apt-get ${args.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const { stdout, stderr, error } = spawnSync("apt-get", [...APT_OPTIONS, "-qq", ...args], { env, encoding: "utf8" });
  return error === undefined ? stdout + stderr : `${error.message}\n`;
}

/** Dawn keeps a driver that it refused loaded, so this process never sees the newer one; a new process does. */
function runCommandAnew(): Promise<never> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { stdio: "inherit" });
  // Ctrl-C reaches the child by itself; a kill reaches only this process.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((_, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => process.exit(code ?? 1));
  });
}

/** The version of Mesa, where all of the packages are installed and Dawn does not refuse it. */
function installedMesa(): string | undefined {
  const [mesa, loader] = PACKAGES.map(installedVersion);
  if (mesa === undefined || loader === undefined) return undefined;
  return Number.parseInt(mesa) > LAST_REFUSED_MESA ? mesa : undefined;
}

function installedVersion(name: string): string | undefined {
  const format = "--showformat=${db:Status-Status} ${Version}";
  const { stdout } = spawnSync("dpkg-query", ["--show", format, name], { encoding: "utf8" });
  return stdout?.startsWith("installed ") ? stdout.slice("installed ".length) : undefined;
}

function hasApt(): boolean {
  return existsSync("/usr/bin/apt-get");
}

/** Debian's own files first: what other vendors added stands in files of their own. */
function readSources(): SourceFile[] {
  const folder = "/etc/apt/sources.list.d";
  const parts = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(list|sources)$/.test(name)).sort() : [];
  const paths = ["/etc/apt/sources.list", join(folder, "debian.sources"), ...parts.map((name) => join(folder, name))];
  return [...new Set(paths)].filter(isReadable).map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Derivatives of Debian name the release they are built on in DEBIAN_CODENAME. */
function releaseCodename(): string {
  const text = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1];
  return field("DEBIAN_CODENAME") ?? field("VERSION_CODENAME") ?? "";
}

/** On stderr, since stdout may be the caller's result. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
