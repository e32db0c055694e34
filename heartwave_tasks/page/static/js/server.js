// Questions to the server: JSON over the session Airflow has opened, and errors as sentences.

const base = new URL("../../", import.meta.url);

/** An address of Airflow, which serves this page below its own. */
export function airflow(path) {
  return new URL(`../${path}`, base);
}

export class ServerError extends Error {}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options });
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
  return ask(new URL(`data/${path}?${query}`, base), { signal });
}

/** Ask for a change, marked as coming from this page. */
export function post(path, body) {
  return ask(new URL(`data/${path}`, base), { method: "POST", headers: { "Content-Type": "application/json", "X-HeartWave": "1" }, body: JSON.stringify(body) });
}

/** Let Airflow run a DAG in the name of who is signed in, and wait until it has ended; throws unless it ended well. */
export async function run(dag, conf) {
  const runs = airflow(`api/v2/dags/${dag}/dagRuns`);
  const begun = await ask(runs, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ logical_date: null, conf }) });
  const id = encodeURIComponent(begun.dag_run_id);
  for (let waited = 0; waited < 120; waited++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { state } = await ask(`${runs}/${id}`);
    if (state === "success") return;
    if (state === "failed") throw new ServerError(`${dag} failed; Airflow's log of the run says why.`);
  }
  throw new ServerError(`${dag} has not ended yet; Airflow shows how it goes.`);
}
