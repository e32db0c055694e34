// Review: one beat at a time, the least certain first; a key says what it is, another takes it back.

import { outline } from "./beat.js";
import { CLASSES, CLASS_NAMES, classMark, clock, count, fill, h, moment, tell, trainedOn } from "./dom.js";
import { drawPaper, paperHeight } from "./paper.js";
import { get, post } from "./server.js";
import { colours } from "./theme.js";

const SECONDS = 8;

export async function showReview(place, _parameters, person) {
  const summary = h("p", { class: "sub", role: "status" });
  const desk = h("div", { class: "desk" });
  fill(place, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Review"), summary)), desk);

  const seen = new Set(), done = [];
  let queue = [], waiting = 0, current = null, strip = null, busy = false;
  const key = (beat) => `${beat.recording_id}:${beat.r_peak_sample}`;

  const paper = h("canvas", { role: "img", tabindex: "-1" });
  const title = h("h2", { class: "beat-title" });
  const odds = h("div", { class: "choices", role: "group", "aria-label": "What is the beat in the middle?" });
  const shape = h("canvas", { class: "shape", role: "img", "aria-label": "The beat over the recording's dominant beat" });
  const undo = h("button", { type: "button", disabled: true, onclick: takeBack }, "Undo ", h("kbd", {}, "⌫"));
  const history = h("div", { class: "history" });
  const main = h("div", {}, h("div", { class: "tools" }, title), h("div", { class: "paper" }, paper), odds,
    h("div", { class: "keys" }, [["n s v f q", "what it is"], ["enter", "the model is right"], ["space", "skip"], ["⌫", "take the last one back"], ["o", "open the strip"]].map(([name, does]) => h("span", {}, h("kbd", {}, name), does))));
  const side = h("div", { class: "side" },
    h("section", { class: "card" }, h("h2", {}, "Shape", h("span", { class: "at" }, "0.52 s")), shape, h("p", { class: "legend" }, h("span", {}, h("i", { class: "line-V" }), "this beat"), h("span", {}, h("i", { class: "line-dominant" }), "dominant beat"))),
    h("section", { class: "card" }, h("h2", {}, "Last reviews", h("span", { class: "at" }, undo)), history));

  async function refill() {
    const found = await get("review/queue", { skip: [...seen].slice(-150) });
    waiting = found.n_waiting;
    queue = found.beats;
  }

  async function next() {
    if (!queue.length) await refill();
    current = queue.shift() ?? null;
    count_();
    if (!current) {
      fill(desk, h("div", { class: "card empty" }, h("strong", {}, seen.size ? "That was the last one" : "Nothing waits for review"), "Beats the model is less than 60 % sure of come here after each night."), h("div", { class: "side" }, side.lastElementChild));
      return;
    }
    if (!main.isConnected) fill(desk, main, side);
    const beat = current;
    fill(title, h("a", { href: `#/strip?id=${encodeURIComponent(beat.recording_id)}&beat=${beat.r_peak_sample}` }, beat.recording_id), h("span", { class: "muted" }, ` at ${clock(beat.time_s, 1)} `), trainedOn(beat));
    fill(odds, CLASSES.map((name) => choice(beat, name)));
    const start = Math.max(0, beat.time_s - SECONDS / 2);
    strip = null;
    draw();
    const [found, about] = await Promise.all([
      get("strip", { id: beat.recording_id, start_s: start, stop_s: start + SECONDS, columns: 1400, leads: 2 }),
      get("beat", { id: beat.recording_id, sample: beat.r_peak_sample }),
    ]);
    if (current !== beat) return;
    // What others said of these beats would speak for the one in the middle.
    if (found.beats) found.beats.reference = found.beats.reference.map(() => null);
    strip = { found, about, start };
    draw();
  }

  function count_() {
    const left = Math.max(0, waiting - done.length);
    summary.textContent = `${count(left)} ${left === 1 ? "beat waits" : "beats wait"} · ${person.may_write ? `${done.length} reviewed just now` : "you may look, not review: ask for the role user"}`;
  }

  function choice(beat, name) {
    const value = beat[`p_${name.toLowerCase()}`];
    const bar = h("i", { class: `bar-${name}` });
    bar.style.width = `${100 * value}%`;
    return h("button", { type: "button", class: name === beat.class ? "said" : null, disabled: !person.may_write, onclick: () => say(name), "aria-label": `${CLASS_NAMES[name]}, ${Math.round(100 * value)} percent${name === beat.class ? ", the model's label" : ""}` },
      h("span", { class: "line" }, classMark(name), h("span", { class: "words" }, CLASS_NAMES[name]), h("kbd", {}, name.toLowerCase())),
      h("span", { class: "track" }, bar), h("span", { class: "line" }, h("span", { class: "muted" }, name === beat.class ? "the model’s label" : ""), h("span", { class: "number" }, `${(100 * value).toFixed(0)} %`)));
  }

  function draw() {
    if (!current || !paper.clientWidth) return;
    const start = strip?.start ?? Math.max(0, current.time_s - SECONDS / 2);
    paper.setAttribute("aria-label", `${SECONDS} seconds around the beat at ${clock(current.time_s, 1)} of ${current.recording_id}`);
    drawPaper(paper, { start, span: SECONDS, gain: 10, selected: current.r_peak_sample }, strip?.found ?? null, null);
    if (strip?.about.window.length) {
      const colour = colours();
      outline(shape, 120, [[strip.about.dominant, colour["ink-3"], 1.5, [4, 3]], [strip.about.window, colour.v, 2, []]]);
    }
  }

  async function say(name) {
    if (!current || busy || !person.may_write) return;
    busy = true;
    const beat = current;
    try {
      await post("reviews", { recording_id: beat.recording_id, r_peak_sample: beat.r_peak_sample, class: name });
      seen.add(key(beat));
      done.push({ beat, name });
      undo.disabled = false;
      tell(`${beat.recording_id}: ${CLASS_NAMES[name]}${name === beat.class ? ", as the model says" : ""}.`);
      await next();
      remember();
    } catch (error) { tell(error.message); } finally { busy = false; }
  }

  async function takeBack() {
    // Whoever takes something back presses quickly: the key waits for the review that is on its way.
    while (busy) await new Promise((resolve) => setTimeout(resolve, 30));
    const last = done.pop();
    if (!last) return;
    busy = true;
    try {
      await post("reviews", { recording_id: last.beat.recording_id, r_peak_sample: last.beat.r_peak_sample, class: null });
      seen.delete(key(last.beat));
      if (current) queue.unshift(current);
      queue.unshift(last.beat);
      undo.disabled = !done.length;
      tell(`${last.beat.recording_id}: taken back.`);
      await next();
      remember();
    } catch (error) { done.push(last); tell(error.message); } finally { busy = false; }
  }

  async function remember() {
    const found = await get("reviews");
    fill(history, h("p", { class: "muted small" }, `${count(found.n)} ${found.n === 1 ? "beat" : "beats"} reviewed, ${count(found.corrected)} corrected`),
      h("ol", {}, found.newest.slice(0, 7).map((review) => h("li", {},
        h("span", {}, classMark(review.model_class), review.class === review.model_class ? " ✓" : [" → ", classMark(review.class)]),
        h("a", { href: `#/strip?id=${encodeURIComponent(review.recording_id)}&beat=${review.r_peak_sample}` }, review.recording_id),
        h("span", { class: "muted" }, `${review.reviewed_by}, ${moment(review.reviewed_at)}`)))));
  }

  function onkey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const onControl = event.target.closest("button, a");
    const name = event.key.toUpperCase();
    let action = null;
    if (CLASSES.includes(name)) action = () => say(name);
    else if (event.key === "Enter" && !onControl) action = () => current && say(current.class);
    else if (event.key === " " && !onControl) action = () => { if (current) { seen.add(key(current)); next().catch((error) => tell(error.message)); } };
    else if (event.key === "Backspace") action = takeBack;
    else if (event.key === "o" && current) action = () => { location.hash = `#/strip?id=${encodeURIComponent(current.recording_id)}&beat=${current.r_peak_sample}`; };
    if (!action) return;
    event.preventDefault();
    action();
  }

  fill(desk, main, side);
  paper.style.height = `${paperHeight(2)}px`;
  addEventListener("keydown", onkey);
  await refill();
  await Promise.all([next(), remember()]);
  const sized = new ResizeObserver(draw);
  sized.observe(paper);
  addEventListener("themechange", draw);
  return () => { sized.disconnect(); removeEventListener("keydown", onkey); removeEventListener("themechange", draw); };
}
