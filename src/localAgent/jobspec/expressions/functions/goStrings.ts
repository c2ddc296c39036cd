/** Go's string functions, which job files and templates share. Pure. */

/** Removes characters of a set from both ends, as strings.Trim does. */
export function trimCutset(value: string, cutset: string): string {
  const characters = [...value];
  const first = characters.findIndex((each) => !cutset.includes(each));
  if (first < 0) return "";
  const last = characters.findLastIndex((each) => !cutset.includes(each));
  return characters.slice(first, last + 1).join("");
}

export function trimPrefix(value: string, prefix: string): string {
  return value.startsWith(prefix) ? value.slice(prefix.length) : value;
}

export function trimSuffix(value: string, suffix: string): string {
  return suffix !== "" && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value;
}

/** Capitalizes the first letter of each word, as strings.Title does. */
export function titleCase(value: string): string {
  return value.replaceAll(/(?<![\p{L}\p{N}_'])\p{L}/gu, (letter) => letter.toUpperCase());
}
