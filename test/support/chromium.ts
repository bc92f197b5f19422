/**
 * A real Chromium without a window, and how WebGPU is had in it on a machine without a GPU. Chromium takes no CPU
 * adapter but the SwiftShader that it brings along: with Mesa's driver (VK_DRIVER_FILES) its Vulkan stays off, whatever
 * of --use-vulkan=native, --use-angle=vulkan, --ignore-gpu-blocklist is given.
 */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";

/** CHROMIUM names another one. */
const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
/** Nothing but the page may be loaded, and a camera that shows a test pattern. */
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"];
const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
/** As root there is no sandbox. */
const SANDBOX = process.getuid?.() === 0 ? ["--no-sandbox"] : [];

/** False, with a line that says so, where there is no Chromium. */
export function hasChromium(purpose: string): boolean {
  const found = existsSync(EXECUTABLE);
  if (!found) console.log(`skipped: ${purpose} (there is no ${EXECUTABLE}; Debian's package is chromium)`);
  return found;
}

export function launchChromium({ webgpu = true }: { webgpu?: boolean } = {}): Promise<Browser> {
  const args = [...(webgpu ? WEBGPU : ["--disable-blink-features=WebGPU"]), ...QUIET, ...CAMERA, ...SANDBOX];
  return chromium.launch({ executablePath: EXECUTABLE, args });
}

/** What a page reports as errors, and requests that it makes to other hosts than its own. */
export function watchPage(page: Page): { readonly problems: string[] } {
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith("http") && hostname !== "localhost") problems.push(`request to ${hostname}`);
  });
  return { problems };
}
