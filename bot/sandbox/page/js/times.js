// What happened when: a lane for each request on one axis of time; the article's way below on the same axis.

import { h, styled } from "./dom.js";
import { duration, words } from "./i18n.js";

/** The lanes of a trace, and of the article's run if there is one. */
export function timesView(trace, article) {
  const lanes = trace.requests.map((request) => ({ name: words.taskName(request.task), ...lane(request, trace.age_s) }));
  const others = article?.ready ? articleLanes(article) : [];
  const end = Math.max(0.001, ...[...lanes, ...others].map((each) => each.end));
  return h(
    "div", { class: "times", data: { testid: "times" } },
    others.length > 0 && h("div", { class: "times-name" }, words.tandem),
    lanes.map((each) => laneNode(each, end)),
    others.length > 0 && h("div", { class: "times-name" }, words.articleTitle),
    others.map((each) => laneNode(each, end, "article")),
    axis(end),
    legend(),
  );
}

function lane(request, age) {
  const { began_s: began, pieces_s: pieces, finish } = request;
  const usage = finish?.usage;
  const first = pieces.length ? began + pieces[0] : null;
  const end = finish ? began + Math.max(usage.total_s, pieces.at(-1) ?? 0) : Math.max(age, began);
  const start = Math.min(began + (usage?.queued_s ?? 0), end);
  const parts = [["queued", began, start], ["reading", start, first ?? end], ["writing", first ?? end, end]];
  return { parts, end, ticks: pieces.map((piece) => began + piece) };
}

function articleLanes({ verdict_s: verdict, texts, now_s: now, first_token_s: first, total_s: total }) {
  const judged = verdict ?? now;
  const mood = { name: words.taskName("sentiment"), parts: [["reading", 0, judged]], end: judged, ticks: [] };
  if (verdict === undefined && !texts.length) return [mood];
  const start = verdict ?? 0;
  const end = total ?? now;
  const begun = first ?? texts[0] ?? end;
  const answer = { name: words.taskName(""), parts: [["queued", 0, start], ["reading", start, begun], ["writing", begun, end]], end, ticks: texts };
  return verdict === undefined ? [answer] : [mood, answer];
}

function laneNode({ name, parts, end, ticks }, whole, kind = "") {
  const share = (seconds) => `${(100 * seconds) / whole}%`;
  const part = ([stage, from, to]) =>
    to > from && styled(h("i", { class: `part ${stage}`, title: `${words.stages[stage]}: ${duration(to - from)}` }), { "--from": share(from), "--to": share(to - from) });
  const tick = (seconds) => styled(h("i", { class: "tick" }), { "--from": share(seconds) });
  return h(
    "div", { class: `lane ${kind}` },
    h("span", { class: "lane-name" }, name),
    h("div", { class: "track" }, parts.map(part), ticks.map(tick)),
    h("span", { class: "lane-end" }, duration(end)),
  );
}

const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60];

function axis(end) {
  const step = STEPS.find((each) => end / each <= 5) ?? 120;
  const marks = Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step);
  const mark = (seconds) => styled(h("span", {}, seconds === 0 ? "0" : duration(seconds)), { "--from": `${(100 * seconds) / end}%` });
  return h("div", { class: "axis", "aria-hidden": "true" }, h("div", { class: "track" }, marks.map(mark)));
}

function legend() {
  const { queued, reading, writing } = words.stages;
  const entry = (stage, name) => h("span", {}, h("i", { class: `part ${stage}` }), name);
  return h("div", { class: "legend" }, entry("queued", queued), entry("reading", reading), entry("writing", writing));
}
