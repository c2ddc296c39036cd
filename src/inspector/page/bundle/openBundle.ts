/** Uploads a bundle to the inspector, and opens its page. */
import { goTo } from "../navigation.ts";

/** @returns what went wrong, in words; empty if the page shows the bundle */
export async function openBundle(file: File): Promise<string> {
  try {
    const response = await fetch(`/api/bundles?name=${encodeURIComponent(file.name)}`, {
      method: "POST",
      body: file,
    });
    if (!response.ok) return await response.text();
    const { key } = (await response.json()) as { readonly key: string };
    goTo(["bundle", key], {});
    return "";
  } catch {
    return `${file.name} could not be given to the inspector.`;
  }
}
