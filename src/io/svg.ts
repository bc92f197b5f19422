/** SVG as text. */

type Attributes = Readonly<Record<string, string | number>>;

/** @param content what is inside, markup already */
export function element(name: string, attributes: Attributes, content = ""): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(show(value))}"`);
  return content === "" ? `<${name}${list.join("")}/>` : `<${name}${list.join("")}>${content}</${name}>`;
}

/** An element that holds plain text. */
export function text(words: string, attributes: Attributes, name = "text"): string {
  return element(name, attributes, escapeXml(words));
}

/** Numbers to a hundredth of a pixel. */
function show(value: string | number): string {
  return typeof value === "number" ? String(Number(value.toFixed(2))) : value;
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escapeXml(words: string): string {
  // XML knows no other control characters than these three, not even escaped.
  return words.replace(/[^\P{Cc}\t\n\r]/gu, "").replace(/[&<>"]/g, (character) => ENTITIES[character]);
}
