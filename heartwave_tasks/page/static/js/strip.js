// The strip viewer: what is looked at, how one moves in it, and when the server is asked.

import { drawBeat } from "./beat.js";
import { listEpisodes } from "./episodes.js";
import { CLASSES, CLASS_NAMES, className, clock, count, duration, fill, h, legend, percent, plural, tell } from "./dom.js";
import { drawGlance } from "./glance.js";
import { hourByHour } from "./hours.js";
import { MM_PER_SECOND, PIXELS_PER_MM, drawPaper, paperHeight } from "./paper.js";
import { get, post } from "./server.js";

const GAINS = [5, 10, 20];
const JUMPS = [["V", "v", "V"], ["S", "s", "S"], ["unsure", "u", "unsure"], ["disagreement", "d", "differs"], ["run", "r", "run"], ["pause", "p", "pause"]];

const TOLD = { beat: "beat", V: "ventricular beat", S: "supraventricular beat", unsure: "beat the model is less than 60 % sure of", disagreement: "beat whose label differs from the reference", run: "run of three and more ventricular beats", pause: "pause of 3 s and more" };

export async function showStrip(place, parameters, person) {
  const id = parameters.get("id") ?? "";
  const paper = h("canvas", { tabindex: "0", role: "application", "aria-label": "ECG strip", "aria-describedby": "keys" });
  const glance = h("canvas", { class: "overview", role: "img", "aria-label": "Heart rate and ectopic beats of the whole recording" });
  const where = h("span", { class: "where" });
  const side = h("div", { class: "side" });
  const facts = h("div", { class: "facts" });
  const gain = h("select", { "aria-label": "Gain", onchange: () => { view.gain = Number(gain.value); draw(); } }, GAINS.map((mm) => h("option", { value: mm }, `${mm} mm/mV`)));
  gain.value = 10;
  const button = (title, text, action) => h("button", { type: "button", title, "aria-label": title, onclick: action }, text);
  fill(place,
    h("div", { class: "head" }, h("div", {}, h("h1", {}, id), facts), h("div", { class: "actions" }, h("a", { class: "button", href: "#/recordings" }, "All recordings"))),
    h("div", { class: "desk" },
      h("div", {},
        h("div", { class: "tools" },
          h("span", { class: "group", role: "group", "aria-label": "Zoom" }, button("Zoom out (−)", "−", () => zoom(2)), button("25 mm/s (0)", "25 mm/s", () => scaleTo(1)), button("Zoom in (+)", "+", () => zoom(0.5)), button("Whole recording (w)", "Whole", whole)),
          gain,
          h("span", { class: "group", role: "group", "aria-label": "Jump to the next" }, JUMPS.map(([kind, key, name]) => h("button", { type: "button", title: `Next ${TOLD[kind]} (${key}; previous: shift ${key})`, onclick: () => jump(kind, "next") }, name, " ", h("kbd", {}, key)))),
          where),
        h("div", { class: "paper" }, paper, glance),
        h("div", { class: "keys", id: "keys" },
          [["← →", "move"], ["shift ← →", "by a page"], ["+ −", "zoom"], ["0", "25 mm/s"], [". ,", "next, previous beat"], ["shift + jump key", "backwards"]].map(([key, does]) => h("span", {}, h("kbd", {}, key), does)), legend())),
      side));

  const recording = await get("recording", { id });
  const length = recording.duration_s;
  const view = { start: 0, span: Math.min(10, length), gain: 10, selected: null };
  let strip = null, overview = null, rate = recording.sampling_frequency, asked = null, waiting = false, covered = null, frame = 0, chosen = 0;
  fill(facts,
    h("span", {}, recording.leads.join(" · ")), h("span", {}, `${recording.sampling_frequency} Hz`), h("span", {}, duration(length)), h("span", {}, `${count(recording.n_beats)} beats`),
    recording.ventricular_percent > 10 ? h("span", { class: "chip bad" }, `PVC ${percent(recording.ventricular_percent)}`) : null,
    recording.heart_rate_bpm ? h("span", { title: "1 % of beats are slower, 1 % faster" }, `${recording.heart_rate_bpm.toFixed(0)}/min (${recording.slow_heart_rate_bpm?.toFixed(0)}–${recording.fast_heart_rate_bpm?.toFixed(0)})`) : null,
    recording.n_normal === null && !recording.held_id ? h("span", { class: "chip" }, "not labelled yet") : null,
    recording.held_id ? h("span", { class: "chip warn", title: recording.held_reasons.join(" ") }, "held back: labels look implausible") : null,
    recording.n_runs ? h("span", { class: "chip bad" }, `${count(recording.n_runs)} ${plural(recording.n_runs, "run")} of V, longest ${recording.longest_run_beats} beats`) : null,
    recording.n_pauses ? h("span", { class: "chip warn" }, `${count(recording.n_pauses)} ${plural(recording.n_pauses, "pause")} ≥ 3 s`) : null,
    recording.quality_percent !== null && recording.n_noisy_minutes ? h("span", { class: "chip warn", title: `Most of them cannot be classified: noise, or no beats to tell apart; ${count(recording.n_unclassifiable)} beats` }, `${count(recording.n_noisy_minutes)} ${plural(recording.n_noisy_minutes, "minute")} unreadable`) : null,
    recording.annotated ? h("span", { class: "chip" }, "annotated") : null,
    recording.in_training_set ? h("span", { class: "chip", title: "Agreement with the reference is no test of this model" }, `model v${recording.model_version} was trained on it`) : null);
  const beside = h("div", { class: "beside" });
  const episodes = h("div", {});
  fill(side, beside, episodes);
  drawBeat(beside, null, rate, { why: recording.n_normal !== null ? null : recording.held_id ? "Its labels are held back, because they look implausible." : "Its beats have no labels yet: the champion labels them tonight, or when somebody runs score_recordings." });
  let markHours = null;
  if (length > 2 * 3600 && recording.n_normal !== null) {
    get("hours", { id }).then((found) => {
      const [card, mark] = hourByHour(found, (hour) => { view.span = Math.max(natural(), 60); view.start = 3600 * hour; paper.scrollIntoView({ block: "center" }); moved(); });
      place.append(card);
      markHours = mark;
      draw();
    }, () => {});
  }
  get("episodes", { id }).then((found) => fill(episodes, listEpisodes(found.episodes, (episode) => { view.span = Math.max(natural(), 1.5 * episode.length_s); select(episode.first_sample, { centre: true }); })), () => {});

  const natural = () => paper.clientWidth / (PIXELS_PER_MM * MM_PER_SECOND);
  const clamp = () => {
    view.span = Math.min(Math.max(view.span, 0.5), length);
    view.start = Math.min(Math.max(view.start, 0), Math.max(0, length - view.span));
  };

  function draw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      drawPaper(paper, view, strip, overview);
      drawGlance(glance, view, overview, length);
      markHours?.(view.start, view.start + view.span);
      const speed = (paper.clientWidth / view.span / PIXELS_PER_MM);
      where.textContent = `${clock(view.start, view.span < 5 ? 1 : 0)} – ${clock(view.start + view.span, view.span < 5 ? 1 : 0)} · ${speed >= 1 ? speed.toFixed(speed < 10 ? 1 : 0) : speed.toPrecision(1)} mm/s`;
    });
  }

  /** Ask for the view and half of it on either side, unless what is there covers it at this zoom. */
  async function load() {
    const margin = view.span * 0.5;
    const fits = covered && covered.span === view.span && view.start >= covered.start && view.start + view.span <= covered.stop;
    if (fits && !(view.start - covered.start < margin * 0.3 && covered.start > 0) && !(covered.stop - view.start - view.span < margin * 0.3 && covered.stop < length)) return;
    if (asked) { waiting = true; return; }
    const wanted = { start: Math.max(0, view.start - margin), stop: Math.min(length, view.start + view.span + margin), span: view.span };
    asked = new AbortController();
    try {
      const columns = Math.min(4096, Math.max(64, Math.round(((wanted.stop - wanted.start) / view.span) * paper.clientWidth)));
      strip = await get("strip", { id, start_s: wanted.start, stop_s: wanted.stop, columns, leads: 2 }, asked.signal);
      rate = strip.sampling_frequency;
      covered = wanted;
      draw();
    } catch (error) {
      if (error.name === "AbortError") return;
      tell(error.message);
    } finally {
      asked = null;
      if (waiting) { waiting = false; load(); }
    }
  }

  function moved() {
    clamp();
    draw();
    load();
    clearTimeout(moved.timer);
    moved.timer = setTimeout(() => {
      const address = new URLSearchParams({ id, t: view.start.toFixed(2), w: view.span.toFixed(2) });
      if (view.selected !== null) address.set("beat", view.selected);
      if (location.hash.startsWith("#/strip")) history.replaceState(null, "", `#/strip?${address}`);
    }, 300);
  }
  const pan = (share) => { view.start += share * view.span; moved(); };
  const zoom = (factor, around = view.start + view.span / 2) => {
    const span = Math.min(Math.max(view.span * factor, 0.5), length);
    view.start = around - ((around - view.start) / view.span) * span;
    view.span = span;
    moved();
  };
  function scaleTo(scale) { const middle = view.selected !== null ? view.selected / rate : view.start + view.span / 2; view.span = natural() * scale; view.start = middle - view.span / 2; moved(); }
  function whole() { view.start = 0; view.span = length; moved(); }

  async function select(sample, { centre = true } = {}) {
    const turn = ++chosen;
    view.selected = sample;
    const at = sample / rate;
    if (view.span > 60) view.span = natural();
    if (centre && (at < view.start + 0.15 * view.span || at > view.start + 0.85 * view.span)) view.start = at - view.span / 2;
    moved();
    const known = drawn(sample);
    if (known) drawBeat(beside, known, rate);
    try {
      const found = await get("beat", { id, sample });
      if (turn !== chosen) return;
      const review = person.may_write && canReview ? async (name) => {
        await post("reviews", { recording_id: id, r_peak_sample: sample, class: name }).then(() => tell(`Noted: ${CLASS_NAMES[name]}.`), (error) => tell(error.message));
        covered = null; load(); select(sample);
      } : null;
      drawBeat(beside, found, rate, { go: select, review });
      paper.setAttribute("aria-label", `ECG strip. Beat at ${clock(at, 1)}: ${className(found.label.class)}${found.label.class ? `, ${Math.round(100 * found.label.confidence)} percent` : ""}${found.label.reference ? `, reference ${CLASS_NAMES[found.label.reference]}` : ""}`);
    } catch (error) { if (turn === chosen) tell(error.message); }
  }
  /** What the strip itself tells of a beat, to be shown while its shape and relatives are looked for. */
  function drawn(sample) {
    const beats = strip?.beats, at = beats?.r_peak_sample.indexOf(sample) ?? -1;
    if (at < 0) return null;
    const column = (name) => beats[name][at];
    const p = Object.fromEntries(CLASSES.map((name, place) => [`p_${name.toLowerCase()}`, column("p")[place]]));
    return { label: { ...p, r_peak_sample: sample, class: column("class"), model_class: column("model_class"), confidence: column("confidence"), rr_previous_s: column("rr_previous_s"), reference: column("reference") }, window: [], dominant: [], relatives: [], likeness: null };
  }
  async function jump(kind, direction) {
    const from = view.selected ?? Math.round((direction === "next" ? view.start : view.start + view.span) * rate);
    try {
      const { beat } = await get("jump", { id, sample: Math.max(0, from), kind, direction });
      if (beat) await select(beat.r_peak_sample);
      else tell(`No ${direction === "next" ? "further" : "earlier"} ${TOLD[kind]} in this recording.`);
    } catch (error) { tell(error.message); }
  }

  function onkey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const key = event.key;
    const found = JUMPS.find(([, letter]) => letter === key.toLowerCase());
    const actions = {
      ArrowLeft: () => pan(event.shiftKey ? -0.95 : -0.2), ArrowRight: () => pan(event.shiftKey ? 0.95 : 0.2), PageUp: () => pan(-0.95), PageDown: () => pan(0.95),
      Home: () => { view.start = 0; moved(); }, End: () => { view.start = length; moved(); },
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => scaleTo(1), w: whole,
      ".": () => jump("beat", "next"), ",": () => jump("beat", "previous"),
    };
    const action = found ? () => jump(found[0], event.shiftKey ? "previous" : "next") : actions[key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  let drag = null;
  paper.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, start: view.start, far: false }; paper.setPointerCapture(event.pointerId); });
  paper.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const by = event.clientX - drag.x;
    if (Math.abs(by) > 4) { drag.far = true; paper.classList.add("dragging"); }
    if (drag.far) { view.start = drag.start - (by / paper.clientWidth) * view.span; moved(); }
  });
  paper.addEventListener("pointerup", (event) => {
    paper.classList.remove("dragging");
    if (drag && !drag.far) pick(event);
    drag = null;
  });
  paper.addEventListener("pointercancel", () => { drag = null; });
  paper.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, view.start + (event.offsetX / paper.clientWidth) * view.span);
    else pan(((event.deltaX || event.deltaY) / paper.clientWidth) * 0.8);
  }, { passive: false });
  glance.addEventListener("pointerdown", (event) => {
    const go = (move) => { view.start = (move.offsetX / glance.clientWidth) * length - view.span / 2; moved(); };
    glance.setPointerCapture(event.pointerId);
    go(event);
    glance.onpointermove = go;
    glance.onpointerup = () => { glance.onpointermove = null; };
  });
  function pick(event) {
    const beats = strip?.beats;
    const at = (view.start + (event.offsetX / paper.clientWidth) * view.span) * rate;
    if (!beats) { view.span = natural(); view.start = at / rate - view.span / 2; moved(); return; }
    let best = null;
    for (const sample of beats.r_peak_sample) if (best === null || Math.abs(sample - at) < Math.abs(best - at)) best = sample;
    if (best !== null) select(best, { centre: false });
  }

  const sized = new ResizeObserver(() => { if (paper.clientWidth) { draw(); load(); } });
  addEventListener("keydown", onkey);
  addEventListener("themechange", draw);
  const canReview = recording.n_normal !== null && person.can_review !== false;
  view.span = Number(parameters.get("w")) || natural();
  view.start = Number(parameters.get("t")) || 0;
  clamp();
  paper.style.height = `${paperHeight(2)}px`;
  await load();
  sized.observe(paper);
  draw();
  get("overview", { id, buckets: 600 }).then((found) => { overview = found; draw(); }, () => {});
  if (parameters.get("beat")) select(Number(parameters.get("beat")));
  else if (parameters.get("jump")) jump(parameters.get("jump"), "next");
  return () => {
    removeEventListener("keydown", onkey);
    removeEventListener("themechange", draw);
    sized.disconnect();
    clearTimeout(moved.timer);
    cancelAnimationFrame(frame);
  };
}
