// Which upload on the server belongs to which file here, kept over a reload. Without storage it is forgotten.
"use strict";

const LIFETIME_MS = 7 * 24 * 3600 * 1000; // as long as the server keeps what is unfinished

/** A function from (submission, file) to what is remembered of it, in the Storage given (or none). */
export function rememberedIn(storage) {
  return (submissionId, file, name) => new Remembered(storage, submissionId, file, name);
}

class Remembered {
  constructor(storage, submissionId, file, name) {
    this.storage = storage;
    this.slot = `sanshen-upload:${submissionId}:${name}:${file.size}:${file.lastModified}`;
  }

  /** {id, key}: the upload on the server and the key it was created with; {} when nothing is known. */
  read() {
    try {
      const kept = JSON.parse(this.storage.getItem(this.slot)) ?? {};
      return Date.now() - kept.at < LIFETIME_MS ? kept : {};
    } catch {
      return {};
    }
  }

  /** The key for creating it: a new one once, then the same. */
  key() {
    const key = this.read().key ?? newKey();
    this.#write({ key });
    return key;
  }

  keep(id) {
    this.#write({ ...this.read(), id });
  }

  forget() {
    try {
      this.storage.removeItem(this.slot);
    } catch {
      // nothing was kept
    }
  }

  #write(kept) {
    try {
      this.storage.setItem(this.slot, JSON.stringify({ ...kept, at: Date.now() }));
    } catch {
      // a private window, or no room: it goes on, and a reload begins anew
    }
  }
}

function newKey() {
  // `crypto.randomUUID` is there on secure origins only; a newsroom's inner network may have none.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
