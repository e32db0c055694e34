// Tonight: how things stand, at a glance, for whoever comes in the morning.

import { CLASS_NAMES, classMark, count, duration, fill, h, moment, percent, plural, trainedOn } from "./dom.js";
import { dagLink, firstSteps } from "./beginning.js";
import { calendar } from "./calendar.js";
import { drift } from "./drift.js";
import { airflow, get } from "./server.js";

export async function showTonight(place) {
  const found = await get("tonight");
  const { counts, labelled, champion, quarantine } = found;
  const quarantined = quarantine[0]?.n_found ?? 0, held = found.held[0]?.n_found ?? 0;
  fill(place,
    h("div", { class: "head" }, h("div", {}, h("h1", {}, headline(found)), h("p", { class: "sub" }, `${count(counts.n_recordings)} ${plural(counts.n_recordings, "recording")}, ${duration(counts.duration_s)} of ECG, ${count(counts.n_beats)} heartbeats`)),
      h("div", { class: "actions" }, h("a", { class: "button", href: "#/recordings?order=newest" }, "Newest recordings"), h("a", { class: "button", href: "#/review" }, "Review beats"))),
    found.challenger ? h("section", { class: "card waits" }, h("div", {}, h("h2", {}, `Version ${found.challenger.model_version} waits for approval`), h("p", { class: "muted" }, `${found.challenger.architecture}, compared ${moment(found.challenger.compared_at)}: ${found.challenger.reasons}`)),
      h("a", { class: "button", href: airflow("dags/retrain_models/required_actions").href, target: "_top" }, "Answer in Airflow")) : null,
    firstSteps(found),
    h("div", { class: "figures" },
      figure("Arrived", counts.n_arrived, `${plural(counts.n_arrived, "recording")} in 24 hours`, "#/recordings?order=newest"),
      figure("Labelled", labelled.n_beats, `beats of ${count(labelled.n_recordings)} ${plural(labelled.n_recordings, "recording")} in 24 hours${labelled.n_labels > labelled.n_beats ? `; ${count(labelled.n_labels)} labels, as some were labelled again` : ""}${labelled.n_unclassifiable ? `; ${count(labelled.n_unclassifiable)} without a class, as their signal shows nothing` : ""}`),
      figure("Waiting", counts.n_waiting, `${plural(counts.n_waiting, "recording")} for the next night`, counts.n_waiting ? "#/recordings?only=unlabelled" : null, counts.n_waiting ? "warn" : null),
      figure("Quarantined", quarantined, quarantined ? `${plural(quarantined, "recording needs", "recordings need")} a hand` : "nothing needs a hand", null, quarantined ? "bad" : null),
      held ? figure("Held back", held, `${plural(held, "recording")} with implausible labels`, "#/recordings?only=held", "warn") : null),
    h("div", { class: "columns" }, h("div", {},
      h("section", { class: "card" }, h("h2", {}, "Nights"), calendar(found.nights)),
      h("section", { class: "card" }, h("h2", {}, "Most ventricular beats"), found.heaviest.length ? h("table", { class: "plain" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Recording"), h("th", { scope: "col", class: "num", colspan: 2 }, "V, of classified beats"), h("th", { scope: "col", class: "num" }, "V beats"))), h("tbody", {}, found.heaviest.map((row) =>
        h("tr", {}, h("th", { scope: "row" }, h("a", { href: `#/strip?id=${encodeURIComponent(row.recording_id)}&jump=V` }, row.recording_id), " ", trainedOn(row)),
          h("td", { class: "wide" }, track(row.ventricular_percent)), h("td", { class: "num V strong" }, percent(row.ventricular_percent)), h("td", { class: "num" }, count(row.n_ventricular)))))) : h("p", { class: "muted" }, found.nights.length ? "No recording has more than 10 %." : "Nothing is labelled yet."))),
      h("div", {}, championCard(champion, found), held ? heldCard(found.held) : null, drift(found.drift, found.population),
      h("section", { class: "card" }, h("h2", {}, "Quarantine"), quarantine.length ? h("ul", { class: "held" }, quarantine.slice(0, 8).map((row) =>
        h("li", {}, h("span", { class: "line" }, h("strong", {}, row.recording_id), h("span", { class: "chip bad" }, row.code), h("span", { class: "muted at" }, moment(row.first_seen_at))), h("p", {}, row.reason), h("p", { class: "remedy" }, row.remedy)))) : h("p", { class: "muted" }, counts.n_recordings ? "Every recording that arrived could be read." : "Recordings that cannot be read come here, each with what to do.")))));
}

function headline({ counts, labelled, champion }) {
  if (!counts.n_recordings) return "No recording has arrived yet";
  if (!champion) return "Recordings wait for a first model";
  if (counts.n_waiting) return `${count(counts.n_waiting)} ${plural(counts.n_waiting, "recording waits", "recordings wait")} for tonight`;
  return labelled.n_beats ? "Every heartbeat has its label" : "All quiet: everything is labelled";
}

function figure(name, value, told, href, kind) {
  const inside = [h("span", { class: "name" }, name), h("span", { class: `value ${kind ?? ""}` }, count(value)), h("span", { class: "told" }, told)];
  return href ? h("a", { class: "card figure", href }, inside) : h("div", { class: "card figure" }, inside);
}

function track(value) {
  const bar = h("i", { class: "bar-V" });
  bar.style.width = `${Math.min(100, value)}%`;
  return h("span", { class: "track" }, bar);
}

function championCard(champion, found) {
  if (!champion) return h("section", { class: "card" }, h("h2", {}, "Champion"), h("p", { class: "muted" }, "There is none yet: ", dagLink("retrain_models"), " trains the first."));
  const share = (value) => value === null ? "–" : (100 * value).toFixed(1);
  return h("section", { class: "card" },
    h("h2", {}, "Champion ", h("a", { class: "chip accent", href: "#/models" }, `version ${champion.model_version}`), h("span", { class: "at" }, `since ${moment(champion.promoted_at)}`)),
    found.evaluation ? h("p", { class: "muted small" }, `${champion.architecture} · on ${found.evaluation.n_recordings} patients’ recordings it had not seen: ${share(found.evaluation.accuracy)} % right, N/S/V mean F1 ${share(found.evaluation.nsv_mean_f1)}`) : null,
    !found.figures.length ? h("p", { class: "muted" }, "It has not been tested on patients it had not seen.") : h("table", { class: "plain" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Class"), h("th", { scope: "col", class: "num" }, "Sensitivity, %"), h("th", { scope: "col", class: "num" }, "Positive predictivity, %"), h("th", { scope: "col", class: "num" }, "Beats"))),
      h("tbody", {}, found.figures.map((row) => h("tr", {}, h("th", { scope: "row" }, classMark(row.class), " ", CLASS_NAMES[row.class]),
        h("td", { class: "num" }, share(row.sensitivity), interval(row.sensitivity_low, row.sensitivity_high)),
        h("td", { class: "num" }, share(row.positive_predictivity), interval(row.positive_predictivity_low, row.positive_predictivity_high)),
        h("td", { class: "num" }, count(row.n_beats)))))));
}

function heldCard(held) {
  return h("section", { class: "card" }, h("h2", {}, "Held back"), h("ul", { class: "held" }, held.slice(0, 6).map((row) =>
    h("li", {}, h("span", { class: "line" }, h("a", { class: "strong", href: `#/strip?id=${encodeURIComponent(row.recording_id)}` }, row.recording_id), h("span", { class: "chip warn" }, `no. ${row.held_id}`), h("span", { class: "muted at" }, moment(row.held_at))),
      h("p", {}, row.reasons.join(" ")), h("p", { class: "remedy" }, "Not published. If they are right, ", h("code", {}, `heartwave held release ${row.held_id}`), " publishes them.")))));
}

function interval(low, high) {
  return low === null ? null : h("small", { title: "95 % interval, over patients" }, ` ${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)}`);
}

