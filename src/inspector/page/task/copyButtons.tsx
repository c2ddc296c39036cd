/** Takes the task's history along: as a bundle that proves itself, as JSON, as a diagram. */
import { useState } from "preact/hooks";

const kinds = {
  bundle: { label: "Bundle", file: "jsonl" },
  events: { label: "JSON", file: "json" },
  mermaid: { label: "Mermaid", file: "mmd" },
} as const;
type Kind = keyof typeof kinds;

export function CopyButtons({ query, name }: { readonly query: string; readonly name: string }) {
  const [told, setTold] = useState("");
  const take = async (kind: Kind) => {
    const { label, file } = kinds[kind];
    const address = `/api/${kind}?${query}`;
    // Browsers let a page copy only where nobody on the way could have changed it.
    if (!isSecureContext) {
      save(address, `${name}.${file}`);
      return setTold(`${label} saved, arguments masked`);
    }
    // Handed over before it is there: by the time it is, the click may not count any more.
    const text = fetch(address).then(async (response) => {
      if (!response.ok) throw new Error(await response.text());
      return new Blob([await response.text()], { type: "text/plain" });
    });
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]);
    setTold(`${label} copied, arguments masked`);
  };
  return (
    <div class="copy">
      <fieldset>
        <legend>Copy as</legend>
        {(Object.keys(kinds) as Kind[]).map((kind) => (
          <button
            key={kind}
            type="button"
            onClick={() => void take(kind).catch(() => setTold("The browser does not let the page copy"))}
          >
            {kinds[kind].label}
          </button>
        ))}
      </fieldset>
      <span role="status">{told}</span>
    </div>
  );
}

function save(address: string, name: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
