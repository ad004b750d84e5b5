// Requests to the API and parts to the store, with what each failure means: try again, ask anew, or give up.
"use strict";

const LONGEST_WAIT_S = 30;
// A phone that changes its mast leaves connections behind that never say anything again.
const STALLED_MS = 20_000;

/** An answer that no repetition will change. `zh` and `en` are the server's words. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `HTTP ${status}`);
    this.zh = problem.detail_zh ?? `服务器拒绝了请求（${status}）。`;
    this.en = problem.detail_en ?? `The server refused the request (${status}).`;
    this.isAboutBytes = problem.type === "/problems/upload-refused";
  }
}

/** A failure that may pass: no network, a server that is busy or away. */
class Passing extends Error {
  isPassing = true;
  constructor(message, retryAfterS = 0) {
    super(message);
    this.retryAfterS = retryAfterS;
  }
}

/** The address of a part has run out, or its upload has ended. */
class Stale extends Error {
  isStale = true;
}

/** Calls of the API, repeated until they are answered: every one of them may be sent twice. */
export function requesting(api, headers) {
  return async (method, path, { body, headers: more = {}, signal, isMissingFine = false } = {}) => {
    for (let failures = 0; ; failures += 1) {
      try {
        return await once(api + path, { method, body, headers: { ...headers(), ...more }, signal, isMissingFine });
      } catch (error) {
        signal?.throwIfAborted();
        if (!error.isPassing) throw error;
        await waitForNetwork(failures, error.retryAfterS, signal);
      }
    }
  };
}

async function once(address, { method, body, headers, signal, isMissingFine }) {
  const json = body && { "Content-Type": "application/json" };
  const options = { method, headers: { ...headers, ...json }, body: body && JSON.stringify(body), signal };
  const answer = await fetch(address, options).catch((error) => {
    throw new Passing(error.message);
  });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  if (answer.status === 404 && isMissingFine) return null;
  const problem = await answer.json().catch(() => ({}));
  if (answer.status >= 500 || answer.status === 429 || problem.type === "/problems/conflict") {
    throw new Passing(`HTTP ${answer.status}`, Number(answer.headers.get("Retry-After")) || 0);
  }
  throw new Refused(answer.status, problem);
}

/** PUT one part. Only XMLHttpRequest tells how much of a body has gone out. One that stands still is given up. */
export function putPart(address, piece, signal, onProgress) {
  const request = new XMLHttpRequest();
  const abort = () => request.abort();
  let timer = setTimeout(abort, STALLED_MS);
  signal.addEventListener("abort", abort);
  globalThis.addEventListener("offline", abort);
  const sent = new Promise((resolve, reject) => {
    request.upload.onprogress = ({ loaded }) => {
      clearTimeout(timer);
      timer = setTimeout(abort, STALLED_MS);
      onProgress(loaded);
    };
    request.onload = () => (request.status < 300 ? resolve() : reject(failure(request.status)));
    request.onerror = () => reject(new Passing("network"));
    request.onabort = () => reject(signal.aborted ? signal.reason : new Passing("no network, or it stands still"));
  });
  request.open("PUT", address);
  request.send(piece);
  return sent.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    globalThis.removeEventListener("offline", abort);
  });
}

function failure(status) {
  if (status === 403 || status === 404) return new Stale(`HTTP ${status}`);
  if (status >= 500 || status === 429 || status === 408) return new Passing(`HTTP ${status}`);
  return new Error(`HTTP ${status}`);
}

/** Wait 1, 2, 4 … 30 s (a little at random, so that not all come back at once), or until the network is back. */
export async function waitForNetwork(failures, retryAfterS = 0, signal = undefined) {
  const seconds = Math.max(retryAfterS, Math.min(2 ** failures, LONGEST_WAIT_S) * (0.75 + Math.random() / 2));
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    const now = () => (clearTimeout(timer), resolve());
    signal?.addEventListener("abort", now, { once: true });
    if (!retryAfterS) globalThis.addEventListener?.("online", now, { once: true });
  });
  signal?.throwIfAborted();
}
