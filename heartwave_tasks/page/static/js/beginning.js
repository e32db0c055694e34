// The beginning: what is still to be done before every heartbeat has its label, on a stack that has just been started.

import { h } from "./dom.js";
import { airflow } from "./server.js";

/** A link to one of Airflow's DAGs. */
export function dagLink(dag, text = dag) {
  return h("a", { href: airflow(`dags/${dag}`).href, target: "_top" }, text);
}

/** The first steps, with those ticked that are done; nothing once labels are there. */
export function firstSteps({ counts, champion, nights }) {
  if (nights.length) return null;
  const steps = [
    [counts.n_recordings > 0, "Bring recordings", ["Upload a directory or an archive: ", h("code", {}, "heartwave upload PATH --source NAME"), ". ", dagLink("ingest_recordings"), " takes them up every hour, or at once when you press Trigger."]],
    [champion !== null, "Train a model", [dagLink("retrain_models"), " learns from the recordings that came with reference annotations, and every Sunday again."]],
    [false, "Label every beat", [dagLink("score_recordings"), " does it when a model has been promoted, and every night at 02:00 UTC."]],
  ];
  const next = steps.findIndex(([done]) => !done);
  return h("section", { class: "card steps" }, h("h2", {}, "First steps"), h("ol", {}, steps.map(([done, title, told], at) =>
    h("li", { class: done ? "done" : at === next ? "next" : null }, h("span", { class: "tick", "aria-hidden": "true" }, done ? "✓" : at + 1), h("div", {}, h("strong", {}, title, done ? h("span", { class: "sr" }, " (done)") : null), h("p", { class: "muted" }, told))))));
}
