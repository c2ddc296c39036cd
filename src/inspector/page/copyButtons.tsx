/** Takes the task's history along: as a bundle that proves itself, as JSON, as a diagram. */
import { useState } from "preact/hooks";

const kinds = [
  ["bundle", "Copy bundle"],
  ["events", "Copy JSON"],
  ["mermaid", "Copy Mermaid"],
] as const;

export function CopyButtons({ query, name }: { readonly query: string; readonly name: string }) {
  const [told, setTold] = useState("");
  const copy = async (kind: string) => {
    const response = await fetch(`/api/${kind}?${query}`);
    const text = await response.text();
    if (!response.ok) return setTold(text);
    await navigator.clipboard.writeText(text);
    setTold(`Copied: ${kind} of ${name}, masked`);
  };
  return (
    <span class="copy">
      {kinds.map(([kind, label]) => (
        <button
          key={kind}
          type="button"
          onClick={() => void copy(kind).catch(() => setTold("The browser does not let the page copy"))}
        >
          {label}
        </button>
      ))}
      <span role="status">{told}</span>
    </span>
  );
}
