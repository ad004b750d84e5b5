// Sends one file with tus-js-client, as a phone or a desk would. Arguments: a JSON object; prints one, too.
import { createReadStream, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const given = JSON.parse(process.argv[2]);
let retries = 0;
const upload = new Upload(createReadStream(given.file), {
  endpoint: given.endpoint,
  uploadUrl: given.uploadUrl ?? null,
  headers: { Authorization: `Bearer ${given.token}` },
  uploadSize: given.parallelUploads ? undefined : statSync(given.file).size,
  chunkSize: given.chunkSize,
  parallelUploads: given.parallelUploads ?? 1,
  retryDelays: Array(30).fill(200),
  uploadDataDuringCreation: given.uploadDataDuringCreation ?? false,
  overridePatchMethod: given.overridePatchMethod ?? false,
  storeFingerprintForResuming: false,
  metadata: { filename: given.filename, filetype: "video/mp4", sha256: given.sha256 },
  onShouldRetry: () => ++retries > 0,
  onProgress: () => given.stopAfter && upload.url && upload.abort().then(() => done("stopped")),
  onSuccess: () => done("success"),
  onError: (error) => done(String(error)),
});

function done(outcome) {
  console.log(JSON.stringify({ outcome, url: upload.url, retries }));
  process.exit(outcome === "success" || outcome === "stopped" ? 0 : 1);
}

upload.start();
