// A trace as nodes: figures, times, and for each request what was read and what came of it.

import { articleView } from "./article.js";
import { h, styled } from "./dom.js";
import { duration, language, megabytes, words } from "./i18n.js";
import { promptView } from "./prompt.js";
import { timesView } from "./times.js";

const isVerdict = (request) => request.task !== "";
const usageOf = (request) => request.finish?.usage ?? null;

/** The parts of the panel for one message. `unfold(task)` tells whether a long prompt is shown whole. */
export function traceView(trace, article, unfold) {
  return [
    figures(trace),
    section(words.timelineTitle, timesView(trace, article)),
    ...trace.requests.map((request) => requestView(request, unfold)),
    section(words.articleTitle, articleView(trace, article)),
    section(words.memoryTitle, memoryView(trace, article)),
  ];
}

const section = (title, ...content) => h("section", { class: "hood-section" }, h("h3", {}, title), content);

function figures(trace) {
  const verdict = trace.requests.find(isVerdict);
  const answer = trace.requests.find((request) => !isVerdict(request));
  const tile = (value, label, testid) => value !== null && h("div", { class: "figure", data: { testid } }, h("b", {}, value), h("span", {}, label));
  return h(
    "div", { class: "figures", data: { testid: "figures" } },
    tile(verdict?.finish ? duration(verdict.began_s + usageOf(verdict).total_s) : null, words.verdictAfter, "figure-verdict"),
    tile(answer?.pieces_s.length ? duration(answer.began_s + answer.pieces_s[0]) : null, words.firstWordAfter, "figure-first"),
    tile(answer ? speed(usageOf(answer)) : null, words.speed, "figure-speed"),
    tile(reused(trace), words.reusedShare, "figure-reused"),
  );
}

function speed(usage) {
  const seconds = usage && usage.total_s - usage.first_token_s;
  return usage && usage.generated > 1 && seconds > 0 ? String(Math.round((usage.generated - 1) / seconds)) : null;
}

function reused(trace) {
  const usages = trace.requests.map(usageOf).filter((usage) => usage?.prompt);
  const sum = (key) => usages.reduce((total, usage) => total + usage[key], 0);
  return usages.length ? `${Math.round((100 * sum("cached")) / sum("prompt"))} %` : null;
}

function requestView(request, unfold) {
  return h(
    "section", { class: "hood-section", data: { testid: `request-${request.task || "answer"}` } },
    h("h3", {}, words.taskName(request.task)),
    h("p", { class: "how" }, how(request)),
    request.probabilities && probabilities(request),
    promptView(request, wasRemembered(request), unfold),
  );
}

/** Whether the result was known from before, so that nothing was computed. */
const wasRemembered = ({ finish }) => finish?.reason === "stop" && finish.usage.prompt === 0;

function how(request) {
  const { finish } = request;
  if (wasRemembered(request)) return words.remembered;
  if (finish && !["stop", "length", "cancelled"].includes(finish.reason)) return words.ended(finish.detail || finish.reason);
  if (isVerdict(request) && request.neither !== null) return words.probeHow;
  if (request.task === "sentiment") return `${words.verdictHow} ${words.prejudiceHow}`;
  if (isVerdict(request)) return words.verdictHow;
  if (finish?.usage.generated) return words.answerDone(finish.usage.generated);
  if (request.queued && !request.pieces_s.length) return words.placeInLine(request.queued.place);
  return words.answerHow(request.pieces_s.length);
}

// Where the model can tell that none of the labels fits, the labels share what that leaves.
function probabilities({ probabilities: labels, neither, names }) {
  const shares = Object.entries(labels).map(([label, share]) => [named(label, names[label]?.[language]), share * (1 - (neither ?? 0))]);
  if (neither !== null) shares.push([words.neither, neither]);
  const sorted = shares.sort(([, a], [, b]) => b - a);
  const bar = ([label, share]) => [
    h("dt", {}, label),
    h("dd", {}, styled(h("i", { class: "bar" }), { "--share": share }), h("span", {}, `${(100 * share).toFixed(1)} %`)),
  ];
  return h("dl", { class: "bars", data: { testid: "probabilities" } }, sorted.flatMap(bar));
}

/** The model's word, with what the reader calls it. */
const named = (label, name) => (!name || name.includes(label) ? name ?? label : `${label} · ${name}`);

function memoryView(trace, article) {
  const bot = Math.max(0, ...trace.requests.map((request) => request.memory_bytes ?? 0));
  const rows = [[words.memoryBot, bot], [words.memoryArticle, article?.peak_bytes ?? 0]].filter(([, bytes]) => bytes);
  const most = Math.max(...rows.map(([, bytes]) => bytes));
  const bar = ([label, bytes], index) => [
    h("dt", {}, label),
    h("dd", {}, styled(h("i", { class: index ? "bar article" : "bar" }), { "--share": bytes / most }), h("span", {}, megabytes(bytes))),
  ];
  return h("dl", { class: "bars wide", data: { testid: "memory" } }, rows.flatMap(bar));
}
