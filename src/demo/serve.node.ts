/** The page's files over HTTP, on this machine only. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { UserError } from "../errors.ts";
import type { Files } from "./bundle.node.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};
const UNKNOWN_TYPE = "application/octet-stream";

export interface Server {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves files on localhost, where browsers allow WebGPU and the camera without a certificate.
 *
 * @param port 0 for any that is free
 * @throws UserError when the port is taken or not allowed
 */
export async function serve(files: Files, port: number): Promise<Server> {
  const server = createServer(({ url, method }, response) => {
    const name = decode(new URL(url!, "http://localhost").pathname.slice(1)) || "index.html";
    const body = files.get(name);
    const isAllowed = method === "GET" || method === "HEAD";
    const status = !isAllowed ? 405 : body === undefined ? 404 : 200;
    const type = status === 200 ? (TYPES[extname(name)] ?? UNKNOWN_TYPE) : "text/plain";
    response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
    response.end(status === 200 ? (method === "HEAD" ? undefined : body) : `${status}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === "EADDRINUSE" ? "it is taken" : cause.message;
      reject(new UserError(`cannot serve on port ${port}: ${reason}; choose another one with --port`, { cause }));
    });
    server.listen(port, "localhost", resolve);
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Empty for what is no valid name. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
