// The upload client against a server and a store that fail on purpose; what it showed is printed as JSON.
import { UploadQueue } from "./web/uploads.js";

const PART = 4;
const [failures] = process.argv.slice(2).map((text) => JSON.parse(text));
const later = globalThis.setTimeout;
globalThis.setTimeout = (call, ms) => later(call, ms / 200); // its waits, shortened
const kept = new Map();
const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: (key) => kept.delete(key),
};
const arrived = new Set();
const sent = [];
// The next failure of this step, if one is left: a status, or 0 for no answer at all.
const failing = (step) => failures[step]?.shift();

globalThis.Worker = class {
  postMessage() {
    later(() => this.onmessage({ data: { sha256: "0".repeat(64) } }));
  }
  terminate() {}
};

globalThis.fetch = async (address, { method }) => {
  const step = { "POST /a/submissions/1/uploads": "begin", "GET /a/submissions/1/uploads/7": "look" };
  const status = failing(step[`${method} ${address}`] ?? "complete");
  if (status === 0) throw new TypeError("fetch failed");
  const problem = { type: "/problems/store-full", detail_zh: "存储空间已满", detail_en: "no space left" };
  if (status) return Response.json(problem, { status, headers: { "Retry-After": "5" } });
  if (address.endsWith("/complete")) return Response.json({ asset_sha256: "0".repeat(64) });
  const parts = [1, 2].filter((number) => !arrived.has(number)).map((number) => ({
    number,
    offset_bytes: (number - 1) * PART,
    size_bytes: PART,
    url: `http://store/${number}`,
  }));
  const urls_expire_at = new Date(Date.now() + 3_600_000).toISOString();
  const size = { part_count: 2, part_size_bytes: PART, size_bytes: 2 * PART };
  return Response.json({ id: "7", state: "open", arrived: [...arrived], parts, urls_expire_at, ...size });
};

globalThis.XMLHttpRequest = class {
  upload = {};
  open(_, address) {
    this.number = Number(address.at(-1));
  }
  send() {
    later(() => {
      this.status = failing("part") ?? 200;
      if (this.status === 0) return this.onerror();
      if (this.status === 200) {
        sent.push(this.number);
        arrived.add(this.number);
      }
      this.onload();
    });
  }
  abort() {}
};
globalThis.addEventListener ??= () => {};
globalThis.removeEventListener ??= () => {};

const queue = new UploadQueue({ api: "/a", storage });
const file = new File([new Uint8Array(2 * PART)], "clip.mp4", { lastModified: 1 });
const [upload] = queue.add("1", [file]);
const seen = [];
upload.addEventListener("change", () => {
  const line = [upload.state, upload.problem?.zh ?? null, upload.problem?.en ?? null];
  if (JSON.stringify(line) !== JSON.stringify(seen.at(-1))) seen.push(line);
});
const ended = await upload.finished.then(
  () => "done",
  (problem) => problem.en,
);
console.log(JSON.stringify({ ended, seen, sent: sent.sort(), problem: upload.problem }));
