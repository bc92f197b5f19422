/** Pictures one after the other as a video, by the program ffmpeg. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../errors.ts";
import { createFolder } from "../io/files.node.ts";

/** @throws UserError where there is no ffmpeg */
export async function requireFfmpeg(): Promise<void> {
  const child = spawn("ffmpeg", ["-version"], { stdio: "ignore" });
  const isThere = await once(child, "exit").then(([code]) => code === 0, () => false);
  if (isThere) return;
  throw new UserError("--video needs the program ffmpeg, which was not found; without it the frames are pictures");
}

/** What players want: even sides, and colours at half resolution. */
const ENCODING = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-movflags", "+faststart"] as const;

/**
 * Writes an mp4 file that appears whole or not at all; frames of other sizes are scaled to the first one's.
 *
 * @param rate frames per second
 * @param frames PNG files
 * @throws UserError with what ffmpeg says
 */
export async function writeVideo(path: string, rate: number, frames: readonly string[]): Promise<void> {
  await createFolder(dirname(path));
  const temporary = `${path}.${process.pid}.tmp`;
  const input = ["-f", "image2pipe", "-framerate", String(rate), "-c:v", "png", "-i", "-"];
  const args = ["-loglevel", "error", "-y", ...input, ...ENCODING, "-f", "mp4", temporary];
  const child = spawn("ffmpeg", args, { stdio: ["pipe", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, "close");
  try {
    await pipeline(bytesOf(frames), child.stdin);
  } catch (cause) {
    child.kill();
    if ((cause as NodeJS.ErrnoException).code !== "EPIPE") said ||= (cause as Error).message;
  }
  const [code] = await ended;
  if (code === 0 && said === "") return rename(temporary, path);
  await rm(temporary, { force: true });
  throw new UserError(`cannot write ${path}: ffmpeg ended with code ${code}: ${said.trim()}`);
}

async function* bytesOf(paths: readonly string[]): AsyncGenerator<Buffer, void, undefined> {
  for (const path of paths) for await (const chunk of createReadStream(path)) yield chunk as Buffer;
}
