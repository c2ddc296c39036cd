/** Keys that work wherever the focus is, but for where somebody writes. */
import { useEffect } from "preact/hooks";

/** @param handle by the key's name; called until the component goes */
export function useKeys(handle: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const action = Object.hasOwn(handle, event.key) ? handle[event.key] : undefined;
      const writing = event.target instanceof HTMLInputElement;
      if (action === undefined || writing || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}
