/** Matches names against patterns in which `*` stands for any characters. Pure. */

/**
 * Takes time linear in the text, whatever the number of stars: a backtracking
 * expression would take a power of its length, and jobs choose the text.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const [first = "", ...parts] = glob.split("*");
  const last = parts.pop();
  if (last === undefined) return text === glob;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last))
    return false;
  const end = text.length - last.length;
  let at = first.length;
  // The leftmost place of each part leaves the most room for the parts after it.
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
