// The article's way: the same message once more, on demand, beside what the bot did.

import { runArticle } from "./api.js";
import { h } from "./dom.js";
import { duration, words } from "./i18n.js";

const runs = new Map();
let changed = () => {};
let current = null;

/** Call `listener` whenever a run has gone on. */
export const onArticle = (listener) => (changed = listener);

export const articleOf = (chat, message) => runs.get(`${chat}/${message}`) ?? { key: [chat, message] };

async function start(article) {
  const [chat, message] = article.key;
  const abort = new AbortController();
  const run = { key: article.key, running: true, begun: performance.now(), texts: [], text: "", stop: () => abort.abort() };
  current?.stop();
  current = run;
  runs.set(`${chat}/${message}`, run);
  const clock = setInterval(() => (mark(run), changed()), 250);
  changed();
  await runArticle(chat, message, (step) => (heard(run, step), changed()), abort.signal).catch((error) => (run.failed = error.name === "AbortError" ? null : error.message));
  clearInterval(clock);
  run.running = false;
  if (run.failed === null) runs.delete(`${chat}/${message}`);
  changed();
}

function mark(run) {
  if (run.ready) run.now_s = run.total_s ?? (performance.now() - run.ready) / 1000;
}

function heard(run, { text, failed, ...facts }) {
  if (facts.loaded_s !== undefined) run.ready = performance.now();
  Object.assign(run, facts);
  mark(run);
  if (failed) run.failed = words.articleFailed;
  if (text === undefined) return;
  run.text += text;
  run.texts.push(run.now_s);
}

export function articleView(trace, run) {
  return h(
    "div", { class: "article", data: { testid: "article" } },
    h("p", { class: "how" }, words.articleHow),
    run.running ? progress(run) : button(run),
    run.failed && h("p", { class: "failed", role: "alert" }, run.failed),
    run.ready && outcome(run),
    run.total_s !== undefined && compared(trace, run),
  );
}

const button = (run) => h("button", { type: "button", class: "primary", data: { testid: "run-article" }, onclick: () => start(run) }, words.runArticle);

function progress(run) {
  return h(
    "div", { class: "progress", role: "status" },
    h("i", { class: "spinner" }), h("span", {}, stageOf(run)), h("button", { type: "button", class: "plain", onclick: run.stop }, words.stopArticle),
  );
}

function stageOf(run) {
  if (!run.ready) return words.articleLoading(duration((performance.now() - run.begun) / 1000));
  if (run.total_s !== undefined) return words.articleFreeing;
  return run.texts.length ? words.articleWriting : words.articleMood;
}

function outcome(run) {
  return h(
    "dl", { class: "outcome" },
    run.verdict !== undefined && [h("dt", {}, words.articleVerdict), h("dd", { data: { testid: "article-verdict" } }, run.verdict || words.articleSilent)],
    run.text && [h("dt", {}, words.taskName("")), h("dd", { data: { testid: "article-text" } }, run.text)],
  );
}

function compared(trace, run) {
  const ours = times(trace);
  const rows = [[words.verdictAfter, ours.verdict, run.verdict_s], [words.firstWordAfter, ours.first, run.first_token_s], [words.wholeAfter, ours.end, run.total_s]];
  const row = ([name, mine, other]) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, duration(mine)), h("td", {}, duration(other)), h("td", { class: "gain" }, gain(mine, other)));
  return [
    h(
      "table", { class: "compare", data: { testid: "compare" } },
      h("caption", {}, words.compareTitle),
      h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col" }, words.tandem), h("th", { scope: "col" }, words.articleShort), h("td"))),
      h("tbody", {}, rows.filter(([, mine, other]) => mine && other).map(row)),
    ),
    h("p", { class: "how" }, words.articleLoaded(duration(run.loaded_s))),
  ];
}

function times({ requests }) {
  const verdict = requests.find((request) => request.task && request.finish);
  const answer = requests.find((request) => !request.task && request.pieces_s.length);
  return {
    verdict: verdict && verdict.began_s + verdict.finish.usage.total_s,
    first: answer && answer.began_s + answer.pieces_s[0],
    end: answer && answer.began_s + answer.pieces_s.at(-1),
  };
}

function gain(mine, other) {
  const times = other / mine;
  return times >= 1.05 ? words.sooner(times < 9.95 ? times.toFixed(1) : Math.round(times)) : "";
}
