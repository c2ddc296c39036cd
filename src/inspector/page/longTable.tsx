/** Tables with very many rows of equal height: only the visible rows are drawn. */
import { useEffect, useState } from "preact/hooks";

/** Number of rows drawn beyond the visible ones, on either side. */
const overscan = 6;

/** The rows to draw: the index of the first one, and the index after the last one. */
export function rowsInSight(top: number, height: number, count: number): readonly [number, number] {
  const first = Math.max(0, Math.min(count, Math.floor(top / height)) - overscan);
  return [first, Math.min(count, first + Math.ceil(innerHeight / height) + 2 * overscan)];
}

/** Takes the place of rows that are not drawn. */
export function Gap({ height }: { readonly height: number }) {
  return (
    <tbody aria-hidden="true">
      <tr style={{ height: `${height}px` }} />
    </tbody>
  );
}

/**
 * Scrolls as little as necessary to make a row visible.
 * @param rowHeight in pixels, like `headerHeight`
 * @param headerHeight height of the column headers, which do not scroll
 * @returns the new scroll position
 */
export function reveal(
  list: HTMLElement | null,
  index: number,
  rowHeight: number,
  headerHeight: number,
): number {
  if (list === null) return 0;
  const [from, visible] = [index * rowHeight, list.clientHeight - headerHeight];
  if (from < list.scrollTop) list.scrollTop = from;
  if (from + rowHeight > list.scrollTop + visible) list.scrollTop = from + rowHeight - visible;
  return list.scrollTop;
}

/** The height of a row, which depends on the window's width. It must equal the height in the style sheet. */
export function useRowHeight(wide: number, narrow: number): number {
  const media = matchMedia("(max-width: 40rem)");
  const [height, setHeight] = useState(media.matches ? narrow : wide);
  useEffect(() => {
    const follow = () => setHeight(media.matches ? narrow : wide);
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);
  return height;
}
