/**
 * Reading apt's source entries, in both of its formats, as `man sources.list` describes them.
 * Text in, text out, so that every kind of machine can be tried in a test.
 */

export interface SourceFile {
  path: string;
  text: string;
}

interface SourceEntry {
  types: string[];
  uris: string[];
  suites: string[];
  components: string[];
  /** The same archive, keys and options with another suite, in the entry's own format. */
  withSuite(suite: string): string;
}

/** Whether the machine already takes packages from this suite. */
export function hasSuite(files: SourceFile[], suite: string): boolean {
  return files.some((file) => parseEntries(file).some((entry) => offers(entry, [suite])));
}

/**
 * A source file, named `name`, that adds the backports of a Debian release to the machine's own sources: same mirror,
 * same keys. Undefined where none of the files names the release.
 */
export function backportsSource(files: SourceFile[], codename: string, name: string): SourceFile | undefined {
  // A release may be named by its age instead of its codename.
  const suites = [codename, "stable", "oldstable", "oldoldstable"];
  const found = files.flatMap((file) =>
    parseEntries(file)
      .filter((entry) => offers(entry, suites))
      .map((entry) => ({ entry, extension: isDeb822(file) ? "sources" : "list" })),
  );
  // Other vendors name their suites after Debian's releases too; a mirror of one's own may have any path.
  const best = found.find(({ entry }) => entry.uris.some((uri) => uri.split("/").includes("debian"))) ?? found[0];
  if (best === undefined) return undefined;
  const text = best.entry.withSuite(`${codename}-backports`);
  return { path: `/etc/apt/sources.list.d/${name}.${best.extension}`, text };
}

function offers(entry: SourceEntry, suites: string[]): boolean {
  return (
    entry.types.includes("deb") &&
    entry.components.includes("main") &&
    entry.suites.some((suite) => suites.includes(suite))
  );
}

function isDeb822(file: SourceFile): boolean {
  return file.path.endsWith(".sources");
}

function parseEntries(file: SourceFile): SourceEntry[] {
  return isDeb822(file) ? parseDeb822(file.text) : parseOneLine(file.text);
}

/** `deb [option=value …] uri suite component …` */
function parseOneLine(text: string): SourceEntry[] {
  const entries: SourceEntry[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*(deb|deb-src)\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.replace(/#.*/, ""));
    if (match === null) continue;
    const [, type, options = "", uri, suite, components] = match;
    entries.push({
      types: [type],
      uris: [uri],
      suites: [suite],
      components: words(components),
      withSuite: (other) => `deb ${options}${uri} ${other} main\n`,
    });
  }
  return entries;
}

/** Paragraphs of `Field: value`, whose values go on in lines that start with a blank. */
function parseDeb822(text: string): SourceEntry[] {
  const withoutComments = text.replace(/^#.*\n?/gm, "");
  return withoutComments
    .split(/\n[ \t]*\n/)
    .map(parseFields)
    .filter((fields) => fields.get("enabled")?.value.trim() !== "no")
    .map((fields) => ({
      types: words(fields.get("types")?.value),
      uris: words(fields.get("uris")?.value),
      suites: words(fields.get("suites")?.value),
      components: words(fields.get("components")?.value),
      withSuite(suite) {
        const changed: Record<string, string> = { types: " deb", suites: ` ${suite}`, components: " main" };
        return [...fields].map(([key, { name, value }]) => `${name}:${changed[key] ?? value}\n`).join("");
      },
    }));
}

/** Field names count in any case, so they are looked up in lower case and kept as written for printing. */
function parseFields(paragraph: string): Map<string, { name: string; value: string }> {
  const fields = new Map<string, { name: string; value: string }>();
  for (const [, name, value] of paragraph.matchAll(/^([^\s:]+):(.*(?:\n[ \t].*)*)/gm)) {
    fields.set(name.toLowerCase(), { name, value });
  }
  return fields;
}

function words(text = ""): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
