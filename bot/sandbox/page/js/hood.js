// Under the hood: a panel beside the chat that shows how the bot's answers came about.
//
// It follows the newest message until somebody asks about an older one. What it draws is in trace.js, prompt.js,
// times.js and article.js; here is only which message it is about.

import { loadTrace, loadTraced } from "./api.js";
import { articleOf, onArticle } from "./article.js";
import { h, iconButton } from "./dom.js";
import { words } from "./i18n.js";
import { attempt } from "./overlay.js";
import { activeChat, here, messagesOf, on, store, tell, userOf } from "./store.js";
import { traceView } from "./trace.js";

const LOOK_AGAIN_MS = 250;

const panel = document.getElementById("panel");
const body = h("div", { class: "hood-body", tabindex: "0", data: { testid: "hood-body" } });
const shown = { chat: null, message: null, traced: [], trace: null, unfolded: new Set() };
let timer = null;

export const isHoodOpen = () => !panel.hidden;

export function toggleHood() {
  if (isHoodOpen()) close();
  else open();
}

/** Open the panel at the question that a message is about, or is. */
export async function explain(message) {
  panel.hidden = false;
  tell("hood");
  await find();
  await show(questionOf(message));
}

async function open() {
  panel.hidden = false;
  tell("hood");
  await find();
  await show(shown.traced.at(-1) ?? null);
}

function close() {
  panel.hidden = true;
  clearTimeout(timer);
  tell("hood");
}

// An answer follows its verdict, which replies to its question; in a group it replies to the question itself.
function questionOf(message) {
  const traced = new Set(shown.traced);
  const before = messagesOf(activeChat()).filter((each) => each.message_id <= message.message_id).reverse();
  for (const each of before) {
    if (traced.has(each.message_id)) return each.message_id;
    if (each.from_id === store.bot && traced.has(each.reply_to)) return each.reply_to;
    if (message.from_id !== store.bot) break;
  }
  return message.message_id;
}

async function find() {
  shown.chat = store.active;
  shown.traced = store.active === null ? [] : await loadTraced(store.active);
}

async function show(message) {
  if (message !== shown.message) shown.unfolded.clear();
  shown.message = message;
  await look();
}

/** Load the trace and draw it; look again while it is not finished. */
async function look() {
  clearTimeout(timer);
  const { chat, message } = shown;
  const trace = shown.traced.includes(message) ? await loadTrace(chat, message) : null;
  if (chat !== shown.chat || message !== shown.message || !isHoodOpen()) return;
  shown.trace = trace;
  draw();
  if (trace && !trace.finished) timer = setTimeout(look, LOOK_AGAIN_MS);
}

function draw() {
  if (!isHoodOpen()) return;
  panel.setAttribute("aria-label", words.hood);
  body.replaceChildren(...content());
  panel.replaceChildren(head(), body, examples());
}

function content() {
  if (shown.message === null) return [h("p", { class: "hood-note" }, words.hoodEmpty)];
  if (shown.trace === null) return [h("p", { class: "hood-note", data: { testid: "hood-gone" } }, words.hoodGone)];
  return traceView(shown.trace, articleOf(shown.chat, shown.message), unfold);
}

/** Whether a long prompt is shown whole; with `change` it is the other way round from now on. */
function unfold(task, change = false) {
  if (change) {
    if (!shown.unfolded.delete(task)) shown.unfolded.add(task);
    draw();
  }
  return shown.unfolded.has(task);
}

function head() {
  const at = shown.traced.indexOf(shown.message);
  const step = (to, name, label) =>
    iconButton(name, label, () => show(shown.traced[to]), { disabled: at < 0 || shown.traced[to] === undefined, data: { testid: `hood-${name}` } });
  return h(
    "header", { class: "hood-head" },
    h("h2", {}, words.hood),
    at >= 0 && h("span", { class: "hood-place" }, `${at + 1} / ${shown.traced.length}`),
    step(at - 1, "back", words.earlier), step(at + 1, "next", words.later),
    iconButton("close", words.closeHood, close, { data: { testid: "hood-close" } }),
  );
}

function examples() {
  const chip = ([name, text]) =>
    h("button", { type: "button", class: "chip", title: text, data: { testid: "example" }, onclick: () => attempt(here("say", { text: addressed(text) })) }, name);
  return h("footer", { class: "hood-examples" }, h("span", {}, words.examplesTitle), words.examples.map(chip));
}

// In a group the bot hears only what is meant for it.
const addressed = (text) => (activeChat().type === "private" ? text : `@${userOf(store.bot).username} ${text}`);

on("trace", async ({ chat, message_id }) => {
  if (!isHoodOpen() || chat !== shown.chat) return;
  const followed = shown.message === (shown.traced.at(-1) ?? null);
  if (!shown.traced.includes(message_id)) shown.traced.push(message_id);
  if (message_id === shown.message || !followed) await look();
  else await show(message_id);
});
on("timeline", () => isHoodOpen() && store.active !== shown.chat && open());
on("state", () => (store.hood ? isHoodOpen() && open() : close()));
onArticle(draw);
