/** Building HTML from text. */

/** Text that may stand between tags and in attributes. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Data for the page's script. */
export function jsonScript(data: unknown): string {
  return `<script type="application/json">${JSON.stringify(data).replaceAll("<", "\\u003c")}</script>`;
}

/** A table whose first column names the rows; cells are HTML. */
export function table(caption: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = columns.map((column) => `<th scope="col">${escape(column)}</th>`).join("");
  const body = rows.map(([first, ...cells]) => {
    return `<tr><th scope="row">${first}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  });
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${escape(caption)}"><table>` +
    `<caption>${escape(caption)}</caption><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table></div>`
  );
}

/** What opens on demand. */
export function details(summary: string, content: string): string {
  return `<details><summary>${escape(summary)}</summary>${content}</details>`;
}

/** A figure with its title above. */
export function card(title: string, content: string, kind = ""): string {
  return `<figure class="card ${kind}"><figcaption>${escape(title)}</figcaption>${content}</figure>`;
}

export function section(title: string, content: string, note = ""): string {
  if (content === "") return "";
  const id = title.toLowerCase().replace(/[^a-z]+/g, "-");
  const words = note && `<p class="note">${escape(note)}</p>`;
  return `<section aria-labelledby="${id}"><h2 id="${id}">${escape(title)}</h2>${words}${content}</section>`;
}

/** A number as people write it: three digits that count. */
export function show(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e7) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

export const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "-");
