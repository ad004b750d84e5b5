// Sends files into a submission: hashed in a worker, in parts straight to the object store, several at once.
// What was cut off goes on where it stopped, in this page, after a reload, or on another day: after a reload the
// file has to be picked again, for a browser gives no page a file by itself, and is known by name, size and date.
//
//   import { UploadQueue, pick } from "/web/uploads.js";
//   const queue = new UploadQueue({ headers: () => ({ Authorization: `Bearer ${token}` }) });
//   for (const upload of queue.add(submissionId, await pick({ folder: true }))) {
//     upload.addEventListener("change", () => show(upload.name, upload.state, upload.sentBytes, upload.secondsLeft));
//     upload.finished.then((done) => …, (problem) => show(problem.zh));
//   }
"use strict";

import { rememberedIn } from "./remembering.js";
import { Refused, putPart, requesting, waitForNetwork } from "./sending.js";

const PARTS_AT_ONCE = 3;
const FILES_AT_ONCE = 2;
const MOST_ROUNDS_IN_VAIN = 3;
// A round that ended without a part after so long was one of waiting, until its addresses ran out.
const ROUND_OF_WAITING_MS = 300_000;
const RATE_WINDOW_MS = 20_000;
const ENDED = ["done", "failed", "cancelled"];

/** Files that a person picks, [] when they think better of it. With `folder`, everything below one folder. */
export function pick({ folder = false, accept = "" } = {}) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", multiple: true, webkitdirectory: folder, accept });
  return new Promise((resolve) => {
    input.onchange = () => resolve([...input.files]);
    input.oncancel = () => resolve([]);
    input.click();
  });
}

/** Uploads one after the other, two at a time. `headers` gives what signs a request in, anew for each. */
export class UploadQueue {
  #waiting = [];
  #running = 0;

  constructor({ api = "/api/v1", headers = () => ({}), storage = globalThis.localStorage } = {}) {
    this.request = requesting(api, headers);
    this.remembered = rememberedIn(storage);
  }

  /** An `Upload` for each file, in the order given; they begin by themselves. */
  add(submissionId, files) {
    const uploads = [...files].map((file) => new Upload(this, submissionId, file));
    queueMicrotask(() => uploads.forEach((upload) => this.start(upload))); // whoever listens hears all of it
    return uploads;
  }

  /** Your unfinished uploads as the server has them: what has to be picked again to go on after a reload. */
  async unfinished() {
    return (await this.request("GET", "/uploads")).items;
  }

  start(upload) {
    this.#waiting.push(upload);
    this.#next();
  }

  async #next() {
    if (this.#running >= FILES_AT_ONCE || this.#waiting.length === 0) return;
    this.#running += 1;
    await this.#waiting.shift().run();
    this.#running -= 1;
    this.#next();
  }
}

/**
 * One file on its way. Emits "change" whenever one of these does:
 *   state        waiting, hashing, sending, paused, finishing; then done, failed or cancelled. Between them, and
 *                going on by itself: offline (nothing answers), stalled (the server or the store is busy, full or
 *                failing, and says so; also while the upload is finished)
 *   sentBytes    of sizeBytes, with what arrived before
 *   secondsLeft  by the last 20 s; null while nothing moves
 *   problem      {zh, en} when it failed, and while it is offline or stalled: what it waits for
 * `finished` becomes what `complete` answers, or is rejected with the problem.
 */
export class Upload extends EventTarget {
  state = "waiting";
  sentBytes = 0;
  problem = null;
  #queue;
  #succeed;
  #fail;
  #inFlight = new Map(); // part number -> bytes of it on their way
  #arrivedBytes = 0;
  #stop = new AbortController();
  #samples = [];

  constructor(queue, submissionId, file) {
    super();
    this.#queue = queue;
    Object.assign(this, { submissionId, file, name: file.webkitRelativePath || file.name, sizeBytes: file.size });
    this.#promise();
  }

  get secondsLeft() {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (this.state !== "sending" || !first || last.at - first.at < 1000 || last.bytes <= first.bytes) return null;
    return ((this.sizeBytes - this.sentBytes) * (last.at - first.at)) / 1000 / (last.bytes - first.bytes);
  }

  /** Stop sending; what has arrived stays, and parts on their way are sent again later. */
  pause() {
    if (ENDED.includes(this.state) || this.state === "finishing") return;
    this.#stop.abort();
    this.#become("paused");
  }

  /** Go on after a pause or a failure. */
  resume() {
    if (this.state !== "paused" && this.state !== "failed") return;
    if (this.state === "failed") this.#promise();
    this.problem = null;
    this.#stop = new AbortController();
    this.#become("waiting");
    this.#queue.start(this);
  }

  /** Give it up, here and on the server. */
  async cancel() {
    if (ENDED.includes(this.state)) return;
    this.#stop.abort();
    this.#become("cancelled");
    this.#fail({ zh: "上传已取消。", en: "The upload was cancelled." });
    const { id } = this.#remembered.read();
    this.#remembered.forget();
    if (id) await this.#queue.request("DELETE", `${this.#path}/${id}`);
  }

  /** For the queue: everything from here to an end or a pause. Never rejects. */
  async run() {
    const { signal } = this.#stop;
    if (this.state !== "waiting") return; // paused meanwhile, or in the queue twice
    try {
      const begun = await this.#begin(signal);
      await this.#send(begun, signal);
      this.#become("finishing");
      const done = await this.#ask("POST", `${this.#path}/${begun.id}/complete`, { signal });
      this.#remembered.forget();
      this.#become("done");
      this.#succeed(done);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.isAboutBytes) this.#remembered.forget(); // other bytes than announced
      this.problem = { zh: error.zh ?? `上传失败：${error.message}`, en: error.en ?? `The upload failed: ${error.message}` };
      this.#become("failed");
      this.#fail(this.problem);
    }
  }

  #promise() {
    this.finished = new Promise((resolve, reject) => {
      this.#succeed = resolve;
      this.#fail = reject;
    });
    this.finished.catch(() => {}); // whoever asks is told; nobody has to ask
  }

  get #path() {
    return `/submissions/${this.submissionId}/uploads`;
  }

  get #remembered() {
    return this.#queue.remembered(this.submissionId, this.file, this.name);
  }

  /** The upload on the server: the one that was cut off, or a new one. */
  async #begin(signal) {
    const kept = this.#remembered.read();
    if (kept.id) {
      const found = await this.#ask("GET", `${this.#path}/${kept.id}`, { signal, isMissingFine: true });
      if (found && ["open", "completed"].includes(found.state)) return found;
      this.#remembered.forget();
    }
    const sha256 = await this.#hash(signal);
    // The same key again gives the same upload, should the answer get lost on its way.
    const key = this.#remembered.key();
    const body = { filename: this.file.name, size_bytes: this.sizeBytes, sha256 };
    if (/^[\w.+-]+\/[\w.+-]+$/.test(this.file.type)) body.media_type = this.file.type;
    const begun = await this.#ask("POST", this.#path, { body, headers: { "Idempotency-Key": key }, signal });
    this.#remembered.keep(begun.id);
    return begun;
  }

  #hash(signal) {
    this.#become("hashing");
    const worker = new Worker(new URL("./hashing.js", import.meta.url));
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      worker.onerror = (event) => reject(new Error(event.message || "hashing.js"));
      worker.onmessage = ({ data }) => {
        if (data.sha256) resolve(data.sha256);
        else if (data.failed) reject(unreadable(data.failed));
      };
      worker.postMessage({ file: this.file });
    }).finally(() => worker.terminate());
  }

  async #send(begun, signal) {
    this.#become("sending");
    this.#samples = [];
    let [shown, rounds] = [begun, 0];
    while (shown.state === "open" && shown.arrived.length < shown.part_count) {
      if (rounds === MOST_ROUNDS_IN_VAIN) throw new Error("the store takes no part, with new addresses either");
      const began = performance.now();
      this.#arrivedBytes = arrivedBytes(shown);
      this.#moved();
      await this.#sendParts(shown, signal);
      const before = shown.arrived.length;
      shown = await this.#ask("GET", `${this.#path}/${begun.id}`, { signal });
      const hasWaited = performance.now() - began > ROUND_OF_WAITING_MS;
      rounds = shown.arrived.length > before || hasWaited ? 0 : rounds + 1;
    }
  }

  async #sendParts({ parts, urls_expire_at: end }, signal) {
    const missing = [...parts];
    let failed = null;
    const work = async () => {
      while (missing.length && !failed && Date.now() < Date.parse(end) - 60_000) {
        await this.#sendPart(missing.shift(), signal).catch((error) => (failed ??= error));
      }
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, work));
    if (failed) throw failed;
  }

  async #sendPart(part, signal) {
    const piece = this.file.slice(part.offset_bytes, part.offset_bytes + part.size_bytes);
    for (let failures = 0; ; failures += 1) {
      try {
        await putPart(part.url, piece, signal, (bytes) => this.#partMoved(part.number, bytes));
        this.#arrivedBytes += part.size_bytes;
        this.#inFlight.delete(part.number);
        this.#moved();
        return;
      } catch (error) {
        this.#inFlight.delete(part.number);
        if (error.isStale || signal.aborted) return signal.throwIfAborted(); // a new address is asked for
        if (!error.isPassing) throw error;
        this.#wait(error);
        await waitForNetwork(failures, error.retryAfterS, signal);
        this.#goOn("sending");
      }
    }
  }

  /** A call of the API. While it cannot be answered, the upload says what it waits for, then is what it was. */
  #ask(method, path, options) {
    const before = this.state;
    const waiting = { onWait: (failure) => this.#wait(failure), onGoOn: () => this.#goOn(before) };
    return this.#queue.request(method, path, { ...options, ...waiting });
  }

  #wait({ zh, en, isAnswered }) {
    this.problem = { zh, en };
    this.#become(isAnswered ? "stalled" : "offline");
  }

  #goOn(state) {
    this.problem = null;
    this.#become(state);
  }

  #partMoved(number, bytes) {
    this.#inFlight.set(number, bytes);
    this.#moved();
  }

  #moved() {
    const onTheirWay = [...this.#inFlight.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.sentBytes = Math.min(this.#arrivedBytes + onTheirWay, this.sizeBytes);
    const now = performance.now();
    this.#samples.push({ at: now, bytes: this.sentBytes });
    while (now - this.#samples[0].at > RATE_WINDOW_MS) this.#samples.shift();
    this.dispatchEvent(new Event("change"));
  }

  #become(state) {
    if (this.state === "cancelled" || this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

function arrivedBytes({ arrived, part_count: count, part_size_bytes: size, size_bytes: total }) {
  return arrived.reduce((sum, number) => sum + (number < count ? size : total - (count - 1) * size), 0);
}

function unreadable(why) {
  return Object.assign(new Error(why), {
    zh: "文件读不出来：可能已被移动、改动，或存储卡已拔出。请重新选择文件。",
    en: "The file cannot be read: it was moved or changed, or its card was removed. Pick it again.",
  });
}
