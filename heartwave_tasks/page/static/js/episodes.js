// Episodes: the runs, pauses, stretches of bigeminy and couplets of a recording that one wants to see first.

import { clock, h } from "./dom.js";

const WORDS = {
  run: (episode) => `run of ${episode.n_beats} · ${Math.round(episode.rate_bpm)}/min`,
  pause: (episode) => `pause of ${episode.length_s.toFixed(1)} s`,
  bigeminy: (episode) => `bigeminy, ${episode.n_beats} beats`,
  couplet: (episode) => `couplet · ${Math.round(episode.rate_bpm)}/min`,
};

export function listEpisodes(episodes, go) {
  if (!episodes.length) return null;
  return h("section", { class: "card" }, h("h2", {}, "Episodes"), h("ul", { class: "episodes" }, episodes.slice(0, 9).map((episode) =>
    h("li", {}, h("button", { type: "button", class: "quiet", onclick: () => go(episode) }, h("span", {}, WORDS[episode.kind](episode)), h("span", { class: "muted number" }, clock(episode.start_s)))))));
}
