/** Changes every text in a value, but no key. Returns the same value if no text changes. */
export function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const all = value.map((each) => mapTexts(each, change));
    return all.some((each, index) => each !== value[index]) ? all : value;
  }
  const entries = Object.entries(value).map(([name, each]): [string, unknown, boolean] => {
    const changed = mapTexts(each, change);
    return [name, changed, changed !== each];
  });
  if (!entries.some(([, , isChanged]) => isChanged)) return value;
  return Object.fromEntries(entries.map(([name, changed]) => [name, changed]));
}
