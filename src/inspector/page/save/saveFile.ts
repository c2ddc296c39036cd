/** Saves to the browser's downloads. */

/** @param address an address of this inspector */
export function saveFile(address: string, name: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  saveFile(url, name);
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
