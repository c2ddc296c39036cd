/**
 * Addresses in the page: a part of it, and what is chosen there, in the fragment of the URL. So every view
 * survives a reload, has its place in the browser's history, and can be sent.
 *
 *     #/task/<id>?event=7     { path: ["task", "<id>"], choices: { event: "7" } }
 *
 * Pure.
 */
export interface Address {
  /** The name of the part, and what it shows; empty for the list of tasks. */
  readonly path: readonly string[];
  /** What is chosen in it, by name. What is not chosen is not here. */
  readonly choices: Choices;
}

export type Choices = Readonly<Record<string, string>>;

/** Reads any fragment, also one that nobody would write. */
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

/** An empty choice is none. */
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
