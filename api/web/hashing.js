// A worker: the SHA-256 of one file, read piece by piece, so that neither the page nor its memory notices.
// In:  {file}. Out: {hashed: bytes so far} …, then {sha256: hex} or {failed: words}.
"use strict";
importScripts("vendor/hash-wasm-4.13.0-sha256.js");

const PIECE_BYTES = 4 * 1024 * 1024;

self.onmessage = async ({ data: { file } }) => {
  try {
    const hash = await self.hashwasm.createSHA256();
    hash.init();
    for (let start = 0; start < file.size; start += PIECE_BYTES) {
      const piece = await file.slice(start, start + PIECE_BYTES).arrayBuffer();
      hash.update(new Uint8Array(piece));
      self.postMessage({ hashed: Math.min(start + PIECE_BYTES, file.size) });
    }
    self.postMessage({ sha256: hash.digest("hex") });
  } catch (error) {
    self.postMessage({ failed: String(error) }); // the file was moved, changed, or its card pulled out
  }
};
