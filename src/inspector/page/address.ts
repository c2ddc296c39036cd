/**
 * Addresses in the page. The fragment of the URL names a part of the page and the choices made in it. So
 * every view survives a reload, is in the browser's history, and can be sent to others.
 *
 *     #/task/<id>?event=7     { path: ["task", "<id>"], choices: { event: "7" } }
 *
 * Pure.
 */
export interface Address {
  /** The name of the part, then its subject; empty for the list of tasks. */
  readonly path: readonly string[];
  /** The choices in the part, by name. Choices that were not made are absent. */
  readonly choices: Choices;
}

export type Choices = Readonly<Record<string, string>>;

/** Parses any fragment, including malformed ones. */
export function addressOf(fragment: string): Address {
  const [path = "", ...query] = fragment.replace(/^#?\/?/, "").split("?");
  const choices = Object.fromEntries(new URLSearchParams(query.join("?")));
  return { path: path.split("/").filter(Boolean).map(decoded), choices: chosen(choices) };
}

/** The fragment of an address, for a link. */
export function linkTo(path: readonly string[], choices: Choices = {}): string {
  const query = new URLSearchParams(chosen(choices)).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${query === "" ? "" : `?${query}`}`;
}

/** Leaves out empty choices, which count as not made. */
export function chosen(choices: Choices): Choices {
  return Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== ""));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
