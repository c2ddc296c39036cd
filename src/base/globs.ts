/** Patterns of names in which `*` stands for any characters. Pure. */

/**
 * Whether a text matches a pattern. Takes time linear in the text's length, whatever the number of stars. A backtracking
 * expression could take polynomial time, and jobs choose the text.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const [first = "", ...parts] = glob.split("*");
  const last = parts.pop();
  if (last === undefined) return text === glob;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  const end = text.length - last.length;
  let at = first.length;
  // The leftmost match of each part leaves the most text for the following parts.
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
