/** Patterns for paths, for shells that leave them to the program: `*`, `?`, `**`, `[a-z]`, `[!a]`, `{png,jpg}`. */

import { UserError } from "../errors.ts";

export const isPattern = (path: string): boolean => /[*?[{]/.test(path);

/** The folder above the first part of the path that is a pattern, and the rest. */
export function splitPattern(pattern: string): { folder: string; rest: string } {
  const parts = pattern.split("/");
  const first = parts.findIndex(isPattern);
  const folder = parts.slice(0, first).join("/");
  return { folder: folder || (pattern.startsWith("/") ? "/" : "."), rest: parts.slice(first).join("/") };
}

/**
 * Matches whole paths with `/` between their parts.
 *
 * @throws UserError for a range from later to earlier characters
 */
export function patternToRegExp(pattern: string): RegExp {
  let source = "";
  let braces = 0;
  for (const [token] of pattern.matchAll(/\*\*\/|\*\*|\[[^\]]+\]|./gsu)) {
    if (token === "**/") source += "(?:[^/]+/)*";
    else if (token === "**") source += ".*";
    else if (token === "*") source += "[^/]*";
    else if (token === "?") source += "[^/]";
    else if (token === "{" && ++braces) source += "(?:";
    else if (token === "}" && braces > 0 && braces--) source += ")";
    else if (token === "," && braces > 0) source += "|";
    else if (token.length > 2 && token.startsWith("[")) source += characterClass(token.slice(1, -1));
    else source += token.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  }
  try {
    return new RegExp(`^${source}${")".repeat(braces)}$`, "su");
  } catch (cause) {
    throw new UserError(`${pattern} is no pattern for paths: ${(cause as Error).message}`, { cause });
  }
}

function characterClass(content: string): string {
  const isNegated = /^[!^]/.test(content);
  const members = (isNegated ? content.slice(1) : content).replace(/[\\^[\]]/g, "\\$&");
  return `[${isNegated ? "^/" : ""}${members}]`;
}
