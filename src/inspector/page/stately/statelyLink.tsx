/** A link to the page that opens Stately's inspector. */
import { linkTo } from "../address.ts";
import { isOfDroppedBundle } from "../bundle/source.ts";

/** @param path the address of a task or an allocation. A dropped bundle's has no link: nothing relays it. */
export function StatelyLink({ path }: { readonly path: readonly string[] }) {
  if (isOfDroppedBundle()) return null;
  return (
    <a class="hint" href={`/stately.html${linkTo(path)}`} target="_blank" rel="noreferrer">
      Open in Stately’s inspector
    </a>
  );
}
