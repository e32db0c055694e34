// Questions to the server: JSON over the session Airflow has opened, and errors as sentences.

const base = new URL("../../", import.meta.url);

export class ServerError extends Error {}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(new URL(path, base), { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError("The server cannot be reached. Is it running?");
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  if (answer.status === 401) throw new ServerError("The session has ended. Sign in to Airflow again.");
  const detail = body.detail;
  throw new ServerError(typeof detail === "string" ? detail : Array.isArray(detail) ? detail.map((item) => item.msg).join("; ") : `The server answered ${answer.status}.`);
}

/** Ask for data; lists become repeated parameters. */
export function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const item of Array.isArray(value) ? value : [value]) if (item !== undefined && item !== null) query.append(name, item);
  }
  return ask(`data/${path}?${query}`, { signal });
}

/** Ask for a change, marked as coming from this page. */
export function post(path, body) {
  return ask(`data/${path}`, { method: "POST", headers: { "Content-Type": "application/json", "X-HeartWave": "1" }, body: JSON.stringify(body) });
}
