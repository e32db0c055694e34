// Recordings: a table to search, with each one's burden drawn beside its name.

import { CLASSES, count, duration, fill, h, legend, percent, trainedOn } from "./dom.js";
import { dagLink } from "./beginning.js";
import { get } from "./server.js";

const FILTERS = [["ventricular", "PVC > 10 %"], ["runs", "Runs ≥ 3"], ["pauses", "Pauses ≥ 3 s"], ["review", "Needs review"], ["noise", "Unreadable minutes"], ["unlabelled", "Not labelled yet"], ["held", "Held back"]];
const ORDERS = [["recording", "Name"], ["ventricular", "Most ventricular"], ["supraventricular", "Most supraventricular"], ["rate", "Fastest"], ["runs", "Longest run"], ["pauses", "Longest pause"], ["quality", "Poorest signal"], ["duration", "Longest"], ["review", "Most to review"], ["newest", "Newest"]];
const COLUMNS = [["Recording", "recording"], ["Burden", null], ["V", "ventricular"], ["S", "supraventricular"], ["Heart rate, /min", "rate"], ["Runs of V", "runs"], ["Pauses ≥ 3 s", "pauses"], ["Longest RR", "pauses"], ["Quality", "quality"], ["Length", "duration"], ["Beats", null], ["To review", "review"], ["Model", null]];
const FIELDS = { N: "n_normal", S: "n_supraventricular", V: "n_ventricular", F: "n_fusion", Q: "n_unknown_or_paced" };

export async function showRecordings(place, parameters) {
  const state = {
    search: parameters.get("search") ?? "",
    only: new Set(parameters.getAll("only")),
    order: parameters.get("order") ?? "recording",
    offset: Number(parameters.get("offset") ?? 0),
  };
  const summary = h("p", { class: "sub", role: "status" });
  const body = h("div", {});
  const search = h("input", { type: "search", placeholder: "Search recordings", "aria-label": "Search recordings", value: state.search, maxlength: 200 });
  const order = h("select", { "aria-label": "Order" }, ORDERS.map(([value, name]) => h("option", { value }, name)));
  order.value = state.order;
  const filters = FILTERS.map(([name, title]) => h("button", {
    type: "button", "aria-pressed": String(state.only.has(name)),
    onclick: (event) => {
      if (!state.only.delete(name)) state.only.add(name);
      event.currentTarget.setAttribute("aria-pressed", String(state.only.has(name)));
      state.offset = 0;
      load();
    },
  }, title));
  fill(place,
    h("div", { class: "head" }, h("div", {}, h("h1", {}, "Recordings"), summary), h("div", { class: "actions" }, search, order)),
    h("div", { class: "filters", role: "group", "aria-label": "Filters" }, filters, legend()),
    body);

  let asked = null, timer = 0;
  async function load() {
    asked?.abort();
    asked = new AbortController();
    const query = { search: state.search, only: [...state.only], order: state.order, offset: state.offset };
    const address = new URLSearchParams();
    if (state.search) address.set("search", state.search);
    for (const name of state.only) address.append("only", name);
    if (state.order !== "recording") address.set("order", state.order);
    if (state.offset) address.set("offset", state.offset);
    history.replaceState(null, "", `#/recordings${address.size ? `?${address}` : ""}`);
    try {
      draw(await get("recordings", query, asked.signal));
    } catch (error) {
      if (error.name !== "AbortError") fill(body, h("div", { class: "empty", role: "alert" }, h("strong", {}, "The list cannot be shown"), error.message));
    }
  }

  function draw(found) {
    const rows = found.recordings;
    summary.textContent = found.n_found === 1 ? "1 recording" : `${count(found.n_found)} recordings`;
    if (!rows.length) {
      const filtered = state.search || state.only.size;
      fill(body, h("div", { class: "card empty" }, h("strong", {}, filtered ? "No recording fits" : "No recording has been ingested"),
        filtered ? "Take a filter away, or search for less." : [h("code", {}, "heartwave upload PATH --source NAME"), " puts recordings into the bucket; ", dagLink("ingest_recordings"), " takes them up every hour."]));
      return;
    }
    fill(body,
      h("div", { class: "card table" }, h("table", {},
        h("thead", {}, h("tr", {}, COLUMNS.map(([name, by], place) =>
          h("th", { scope: "col", class: place > 1 ? "num" : null, "aria-sort": by && by === state.order ? (by === "recording" || by === "quality" ? "ascending" : "descending") : null },
            by ? h("button", { type: "button", class: "sorts", title: `Order: ${ORDERS.find(([value]) => value === by)[1].toLowerCase()} first`, onclick: () => { order.value = state.order = by; state.offset = 0; load(); } }, name) : name)))),
        h("tbody", {}, rows.map(row)))),
      pages(found));
  }

  function pages(found) {
    const last = found.offset + found.recordings.length;
    if (!found.offset && last >= found.n_found) return null;
    const go = (offset) => () => { state.offset = offset; load(); };
    return h("div", { class: "pages" },
      h("button", { type: "button", disabled: !found.offset, onclick: go(Math.max(0, found.offset - 100)) }, "Earlier"),
      h("span", { class: "muted number" }, `${count(found.offset + 1)} – ${count(last)}`),
      h("button", { type: "button", disabled: last >= found.n_found, onclick: go(last) }, "More"));
  }

  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => { state.search = search.value; state.offset = 0; load(); }, 180); });
  order.addEventListener("change", () => { state.order = order.value; state.offset = 0; load(); });
  await load();
  return () => { clearTimeout(timer); asked?.abort(); };
}

function row(recording) {
  const target = `#/strip?id=${encodeURIComponent(recording.recording_id)}`;
  const labelled = recording.n_normal !== null;
  return h("tr", { onclick: (event) => { if (!event.target.closest("a")) location.hash = target; } },
    h("th", { scope: "row" },
      h("a", { href: target }, recording.recording_id),
      h("span", { class: recording.recording_id.length > 18 ? "lead below" : "lead" }, recording.leads.slice(0, 3).join(" · "), recording.leads.length > 3 ? ` +${recording.leads.length - 3}` : "")),
    h("td", { class: "burden" }, labelled ? burden(recording) : recording.held_id ? h("span", { class: "chip warn", title: recording.held_reasons.join(" ") }, "held back") : h("span", { class: "chip" }, "not labelled yet")),
    h("td", { class: `num ${recording.ventricular_percent > 10 ? "V strong" : ""}` }, percent(recording.ventricular_percent)),
    h("td", { class: `num ${recording.supraventricular_percent > 10 ? "S strong" : ""}` }, percent(recording.supraventricular_percent)),
    h("td", { class: "num" }, recording.heart_rate_bpm ? recording.heart_rate_bpm.toFixed(0) : "–", h("small", { title: "1 % of beats are slower, 1 % faster" }, recording.slow_heart_rate_bpm ? ` ${recording.slow_heart_rate_bpm.toFixed(0)}–${recording.fast_heart_rate_bpm.toFixed(0)}` : "")),
    h("td", { class: `num ${recording.n_runs ? "strong" : ""}` }, recording.n_runs ? h("a", { href: `${target}&jump=run`, title: `Longest: ${recording.longest_run_beats} beats` }, count(recording.n_runs)) : recording.n_runs === null ? "–" : "0"),
    h("td", { class: `num ${recording.n_pauses ? "strong" : ""}` }, recording.n_pauses ? h("a", { href: `${target}&jump=pause` }, count(recording.n_pauses)) : recording.n_pauses === null ? "–" : "0"),
    h("td", { class: "num" }, recording.longest_rr_s ? [recording.longest_rr_s.toFixed(1), h("small", {}, " s")] : "–"),
    h("td", { class: "num" }, recording.n_noisy_minutes ? h("span", { class: "chip warn", title: `Minutes most of which cannot be read; ${count(recording.n_unclassifiable)} beats are unclassifiable` }, count(recording.n_noisy_minutes), " min", h("span", { class: "sr" }, " unreadable")) : null,
      recording.quality_percent === null ? "–" : [recording.quality_percent.toFixed(0), h("small", {}, " %")]),
    h("td", { class: "num" }, duration(recording.duration_s)),
    h("td", { class: "num" }, count(recording.n_beats)),
    h("td", { class: "num" }, recording.n_unsure ? h("a", { href: `${target}&jump=unsure` }, count(recording.n_unsure)) : recording.n_unsure === null ? "–" : "0"),
    h("td", { class: "num" }, recording.model_version === null ? "–" : `v${recording.model_version}`,
      trainedOn(recording)));
}

/** Shares of the classes; what is unclassifiable leaves its room empty. */
function burden(recording) {
  const total = recording.n_beats || 1;
  const told = CLASSES.filter((name) => recording[FIELDS[name]]).map((name) => `${percent(100 * recording[FIELDS[name]] / total)} ${name}`).join(", ");
  const parts = CLASSES.map((name) => {
    const part = h("i", { class: `bar-${name}` });
    part.style.flexGrow = recording[FIELDS[name]] / total;
    return recording[FIELDS[name]] ? part : null;
  });
  return h("span", { class: "stack", role: "img", "aria-label": told, title: told }, parts);
}

