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

/** A failure that may pass: nothing answers, or a server or store that is busy, full or failing says "not now". */
class Passing extends Error {
  isPassing = true;
  constructor(message, { status = 0, problem = {}, retryAfterS = 0 } = {}) {
    super(message);
    this.isAnswered = status > 0;
    this.retryAfterS = retryAfterS;
    const { zh, en } = status ? notNow(status) : NOTHING_ANSWERS;
    this.zh = problem.detail_zh ?? zh;
    this.en = problem.detail_en ?? en;
  }
}

const NOTHING_ANSWERS = {
  zh: "连不上服务器，接通后自动继续；已传完的部分不会丢失。",
  en: "Nothing answers. This goes on by itself as soon as something does; what has arrived is not lost.",
};

function notNow(status) {
  return {
    zh: `存储暂时收不下数据（${status}），可能已满或繁忙。稍后自动继续；已传完的部分不会丢失。`,
    en: `The store takes nothing now (${status}): it may be full or busy. This goes on by itself; what has arrived is not lost.`,
  };
}

/** The address of a part has run out, or its upload has ended. */
class Stale extends Error {
  isStale = true;
}

/**
 * Calls of the API, repeated until they are answered: every one of them may be sent twice. `onWait` gets the failure
 * (zh, en, isAnswered) before each wait, `onGoOn` is called after it.
 */
export function requesting(api, headers) {
  return async (method, path, { body, headers: more = {}, signal, isMissingFine = false, onWait, onGoOn } = {}) => {
    for (let failures = 0; ; failures += 1) {
      try {
        return await once(api + path, { method, body, headers: { ...headers(), ...more }, signal, isMissingFine });
      } catch (error) {
        signal?.throwIfAborted();
        if (!error.isPassing) throw error;
        onWait?.(error);
        await waitForNetwork(failures, error.retryAfterS, signal);
        onGoOn?.();
      }
    }
  };
}

async function once(address, { method, body, headers, signal, isMissingFine }) {
  const json = body && { "Content-Type": "application/json" };
  const options = { method, headers: { ...headers, ...json }, body: body && JSON.stringify(body), signal };
  const cut = (error) => {
    throw new Passing(error.message);
  };
  const answer = await fetch(address, options).catch(cut);
  if (answer.ok) return answer.status === 204 ? null : answer.json().catch(cut);
  if (answer.status === 404 && isMissingFine) return null;
  const problem = await answer.json().catch(() => ({}));
  const { status } = answer;
  if (status >= 500 || status === 429 || status === 423 || problem.type === "/problems/conflict") {
    const retryAfterS = Number(answer.headers.get("Retry-After")) || 0;
    throw new Passing(`HTTP ${status}`, { status, problem, retryAfterS });
  }
  throw new Refused(status, problem);
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
  if (status >= 500 || status === 429 || status === 408) return new Passing(`HTTP ${status}`, { status });
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
