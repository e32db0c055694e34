// Models: every version under every protocol, two of them side by side, who labelled when, and who may change that.

import { showComparison } from "./comparison.js";
import { chart, count, fill, h, moment } from "./dom.js";
import { history, promotion } from "./promotion.js";
import { dagLink } from "./beginning.js";
import { airflow, get } from "./server.js";

const PROTOCOLS = {
  patient_folds: ["Patients never seen", "every patient tested once by a model that has not seen them; the champion is chosen here"],
  inter_patient: ["DS1 → DS2", "MIT-BIH’s usual division by patients, to compare with the literature"],
  random_beats: ["Random beats", "beats of one patient on both sides: for comparison with older papers only"],
};

const WORDS = {
  "N/S/V mean F1": "Mean of the F1 scores of normal, supraventricular and ventricular beats",
  Accuracy: "Share of test beats labelled right",
  "Se / +P": "Sensitivity: of the beats of this class, how many were found. Positive predictivity: of those called so, how many are",
  κ: "Cohen’s kappa: agreement beyond chance, 1 at most",
  "Calibration error": "How far confidences are from how often they are right, 0 at best",
};

const PACED = "_paced";
const EXTERNAL = "external:";

// What a protocol is called, and what it tests; paced recordings are reported apart, external sources by name.
export function described(protocol) {
  if (protocol.endsWith(PACED)) {
    const [title] = described(protocol.slice(0, -PACED.length));
    return [`${title}: recordings with paced beats`, "trained on like the others, and left out of the figures above; Q is told here"];
  }
  if (protocol.startsWith(EXTERNAL)) return [`Another database: ${protocol.slice(EXTERNAL.length)}`, "recordings of a source the tested model was not trained on"];
  return PROTOCOLS[protocol] ?? [protocol, ""];
}

function placeOf(protocol) {
  const known = Object.keys(PROTOCOLS), base = protocol.replace(PACED, "");
  const at = base.startsWith(EXTERNAL) ? known.indexOf("inter_patient") + 0.2 : known.includes(base) ? known.indexOf(base) : known.length;
  return protocol.endsWith(PACED) ? at + 0.1 : at;
}

export async function showModels(place, parameters, person) {
  const found = await get("models");
  const versions = [...new Set(found.evaluations.map((row) => row.model_version))].sort((a, b) => b - a);
  if (!versions.length) {
    fill(place, h("div", { class: "head" }, h("h1", {}, "Models")), h("div", { class: "card empty" }, h("strong", {}, found.champion ? `Version ${found.champion.model_version} labels, and no test of it is known` : "No model yet"), dagLink("retrain_models"), " trains one when you press Trigger, and every Sunday at 03:00 UTC, from recordings with reference annotations."));
    return;
  }
  const champion = found.champion?.model_version ?? null;
  const again = () => showModels(place, parameters, person);
  const earlier = found.promotions.find((row) => row.model_version !== champion);
  const protocols = [...new Set(found.evaluations.map((row) => row.protocol))].sort((a, b) => placeOf(a) - placeOf(b) || a.localeCompare(b));
  fill(place,
    h("div", { class: "head" },
      h("div", {}, h("h1", {}, "Models"), h("p", { class: "sub" }, `${versions.length} ${versions.length === 1 ? "version" : "versions"}; ${champion === null ? "none is champion yet" : `version ${champion} labels tonight`}. Se is sensitivity, +P positive predictivity`)),
      h("div", { class: "actions" },
        person.may_promote && earlier ? h("button", { type: "button", onclick: () => promotion(null, champion, again) }, "Roll back…") : null,
        h("a", { class: "button", href: airflow("dags/retrain_models").href, target: "_top" }, "Retrain in Airflow"))),
    protocols.map((name) => leaderboard(name, found, champion, person, again)),
    protocols.includes("patient_folds") ? h("section", { class: "card" }, h("h2", {}, "By class, on patients never seen", h("span", { class: "at" }, "with 95 % intervals by patient")), chart("classes", "F1 of N, S, V and F for the newest versions, with intervals; the tables above hold the figures")) : null,
    showComparison(found, versions, champion, parameters),
    history(found.promotions));
}

function leaderboard(protocol, found, champion, person, again) {
  const rows = found.evaluations.filter((row) => row.protocol === protocol);
  const [title, told] = described(protocol);
  const shown = protocol.endsWith(PACED) ? ["N", "V", "Q"] : ["S", "V", "F"];
  const figure = (row, name) => found.classes.find((one) => one.model_version === row.model_version && one.protocol === protocol && one.class === name);
  const share = (value) => value === null || value === undefined ? "–" : (100 * value).toFixed(1);
  const chooses = protocol === "patient_folds" && person.may_promote;
  return h("section", { class: "card table hover" },
    h("div", { class: "caption" }, h("h2", {}, title), h("p", { class: "muted" }, told)),
    h("table", {}, h("thead", {}, h("tr", {}, ["", "Version", "N/S/V mean F1, %", "Accuracy, %", ...shown.map((name) => `${name} Se / +P, %`), "κ", "Calibration error", "Test beats", "Trained", "Report"].map((name, at) => h("th", { scope: "col", class: at > 1 && at < 10 ? "num" : null, title: WORDS[name.split(",")[0].replace(/^[A-Z] Se/, "Se")] }, name || h("span", { class: "sr" }, "Place"))))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        h("td", { class: "muted" }, `${row.place}.`),
        h("th", { scope: "row" }, h("strong", {}, `v${row.model_version}`), h("span", { class: "lead" }, row.architecture), " ", row.model_version === champion ? h("span", { class: "chip accent" }, "champion") : null),
        h("td", { class: "num strong" }, share(row.nsv_mean_f1)), h("td", { class: "num" }, share(row.accuracy)),
        shown.map((name) => { const one = figure(row, name); return h("td", { class: "num" }, `${share(one?.sensitivity)} / ${share(one?.positive_predictivity)}`); }),
        h("td", { class: "num" }, row.cohen_kappa === null ? "–" : row.cohen_kappa.toFixed(3)), h("td", { class: "num" }, row.ece === null ? "–" : row.ece.toFixed(3)), h("td", { class: "num" }, count(row.n_beats)),
        h("td", { class: "muted" }, moment(row.evaluated_at)),
        h("td", {}, h("a", { href: `data/models/${row.model_version}/report`, target: "report", "aria-label": `Report of version ${row.model_version}` }, "Report"),
          chooses && row.model_version !== champion ? h("button", { type: "button", class: "quiet", onclick: () => promotion(row.model_version, champion, again) }, "Promote…") : null))))));
}
