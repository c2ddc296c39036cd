/** Copies or saves the task's history as a bundle with its proof, as JSON or as a diagram. */
import { useState } from "preact/hooks";
import { saveFile } from "../save/saveFile.ts";

const kinds = {
  bundle: { label: "Bundle", file: "jsonl" },
  events: { label: "JSON", file: "json" },
  mermaid: { label: "Mermaid", file: "mmd" },
} as const;
type Kind = keyof typeof kinds;

export function CopyButtons({ query, name }: { readonly query: string; readonly name: string }) {
  const [notice, setNotice] = useState("");
  const copy = async (kind: Kind) => {
    const { label, file } = kinds[kind];
    const address = `/api/${kind}?${query}`;
    // Browsers let a page write to the clipboard only in a secure context: HTTPS or localhost.
    if (!isSecureContext) {
      saveFile(address, `${name}.${file}`);
      return setNotice(`${label} saved, arguments masked`);
    }
    // Passed to the clipboard as a promise: the click's permission may expire before the text is loaded.
    const text = fetch(address).then(async (response) => {
      if (!response.ok) throw new Error(await response.text());
      return new Blob([await response.text()], { type: "text/plain" });
    });
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]);
    setNotice(`${label} copied, arguments masked`);
  };
  return (
    <div class="copy">
      <fieldset>
        <legend>Copy</legend>
        {(Object.keys(kinds) as Kind[]).map((kind) => (
          <button
            key={kind}
            type="button"
            onClick={() => void copy(kind).catch(() => setNotice("The browser does not allow copying"))}
          >
            {kinds[kind].label}
          </button>
        ))}
      </fieldset>
      <fieldset>
        <legend>Save</legend>
        {(Object.keys(kinds) as Kind[]).map((kind) => (
          <button
            key={kind}
            type="button"
            aria-label={`Save as ${kinds[kind].label}`}
            onClick={() => {
              saveFile(`/api/${kind}?${query}`, `${name}.${kinds[kind].file}`);
              setNotice(`${kinds[kind].label} saved, arguments masked`);
            }}
          >
            {kinds[kind].label}
          </button>
        ))}
      </fieldset>
      <span role="status">{notice}</span>
    </div>
  );
}
