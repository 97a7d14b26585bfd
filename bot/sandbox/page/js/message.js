// One message as a node: bubble, quote, text, buttons, reactions, and what can be done with it.

import { attachmentNode, summary } from "./attachment.js";
import { h, icon, iconButton } from "./dom.js";
import { clock, words } from "./i18n.js";
import { alertBox, attempt, popover, toast } from "./overlay.js";
import { explain } from "./hood.js";
import { portrait } from "./portrait.js";
import { activeChat, authorOf, beginEdit, beginReply, here, isBot, on, startBot, store, userOf } from "./store.js";
import { richText } from "./text.js";

const ANSWER_MS = 15000;
const QUICK = 8;

const CLICKS = {
  command: (text) => attempt(here("say", { text })),
  start: (name, code) => isBot(name) && (attempt(startBot(code)), true),
};

const pressed = new Map();

on("answer", (answer) => {
  pressed.get(answer.id)?.();
  if (answer.text) (answer.alert ? alertBox : toast)(answer.text);
});

export function messageNode(message) {
  if (message.text === undefined && !message.attachment) return serviceNode(message);
  const mine = message.from_id === store.me && message.sender_chat_id === undefined;
  const author = authorOf(message);
  const data = { testid: "message", id: message.message_id, author: author.id };
  const group = activeChat().type !== "private";
  return h(
    "article", { class: `message ${mine ? "mine" : "theirs"}`, data, "aria-label": `${author.name}, ${clock(message.date)}` },
    group && !mine && portrait(author.id, "small"),
    h(
      "div", { class: "column" },
      bubble(message, author, group && !mine),
      message.keyboard?.length > 0 && keyboard(message),
      reactions(message),
    ),
    tools(message, mine),
  );
}

function bubble(message, author, named) {
  const replied = message.reply_to !== undefined && message.reply_to !== message.thread_id;
  return h(
    "div", { class: "bubble", onclick: (event) => clicked(event, message) },
    named && h("div", { class: `author author-${Math.abs(author.id) % 7}` }, author.name),
    message.via_bot && h("div", { class: "via", data: { testid: "via" } }, words.via(userOf(store.bot).username)),
    replied && quote(message.reply_to),
    message.attachment && attachmentNode(message.attachment),
    said(message),
    meta(message),
  );
}

function said(message) {
  const text = message.text ?? message.caption;
  if (text === undefined) return null;
  return h("div", { class: "text", dir: "auto", data: { testid: "message-text" } }, richText(text, message.entities, CLICKS));
}

// A click on a message replies to it, unless it selects text or is meant for something inside.
function clicked(event, message) {
  if (event.target.closest("a, button, .spoiler:not(.shown), .folded, .quote") || String(getSelection())) return;
  beginReply(message);
}

function meta(message) {
  return h(
    "div", { class: "meta" },
    message.silent && h("span", { title: words.silent, role: "img", "aria-label": words.silent, data: { testid: "silent" } }, icon("silent")),
    message.edit_date !== undefined && h("span", { data: { testid: "edited" } }, words.edited),
    h("time", { datetime: new Date(message.date * 1000).toISOString() }, clock(message.date)),
  );
}

function quote(id) {
  const original = activeChat().messages.get(id);
  const show = () => document.querySelector(`[data-id="${id}"]`)?.scrollIntoView({ block: "center", behavior: "smooth" });
  return h(
    "button", { type: "button", class: "quote", onclick: show, data: { testid: "quote" } },
    h("b", {}, original ? authorOf(original).name : words.deletedMessage),
    h("span", {}, original ? summary(original) : ""),
  );
}

function keyboard(message) {
  return h(
    "div", { class: "keyboard" },
    message.keyboard.map((row) => h("div", { class: "keys" }, row.map((button) => key(message, button)))),
  );
}

function key(message, button) {
  if (button.url) return h("a", { class: "key", href: button.url, target: "_blank", rel: "noopener noreferrer" }, button.text);
  const node = h("button", { type: "button", class: "key", data: { testid: "inline-button" }, onclick: () => press(node, message, button) }, button.text);
  return node;
}

async function press(node, message, button) {
  if (button.copy_text) return navigator.clipboard.writeText(button.copy_text.text).then(() => toast(words.copied));
  if (button.callback_data === undefined) return toast(words.failed(button.text));
  node.classList.add("waiting");
  const done = () => node.classList.remove("waiting");
  const sent = await attempt(here("press", { message_id: message.message_id, label: button.text }));
  if (!sent) return done();
  pressed.set(sent.query, () => (pressed.delete(sent.query), done()));
  return setTimeout(() => pressed.get(sent.query)?.(), ANSWER_MS);
}

function reactions(message) {
  const by = new Map();
  for (const [who, emojis] of Object.entries(message.reactions ?? {}))
    for (const emoji of emojis) by.set(emoji, [...(by.get(emoji) ?? []), Number(who)]);
  if (by.size === 0) return null;
  const chip = ([emoji, who]) => {
    const own = who.includes(store.me);
    const label = `${emoji} ${who.map((id) => userOf(id).first_name).join(", ")}`;
    return h(
      "button",
      { type: "button", class: `reaction ${own ? "own" : ""}`, title: label, "aria-label": label, data: { testid: "reaction" }, onclick: () => react(message, own ? null : emoji) },
      h("span", {}, emoji), who.length > 1 && h("b", {}, String(who.length)),
    );
  };
  return h("div", { class: "reactions" }, [...by].map(chip));
}

const react = (message, emoji) => attempt(here("react", { message_id: message.message_id, emoji }));

function tools(message, mine) {
  return h(
    "div", { class: "tools" },
    store.hood && iconButton("gauge", words.howMade, () => explain(message), { data: { testid: "how-made" } }),
    iconButton("reply", words.reply, () => beginReply(message)),
    iconButton("smile", words.react, (event) => pickReaction(event.currentTarget, message), { data: { testid: "react" } }),
    mine && iconButton("edit", words.edit, () => beginEdit(message)),
    mine && iconButton("trash", words.delete, () => attempt(here("delete", { message_id: message.message_id }))),
  );
}

function pickReaction(anchor, message) {
  const allowed = activeChat().allowed_reactions ?? store.reactions;
  const sorted = [...allowed.slice(0, QUICK), ...allowed.slice(QUICK)];
  const choices = sorted.map((emoji) =>
    h("button", { type: "button", onclick: () => (close(), react(message, emoji)), data: { testid: "choice" } }, emoji));
  const close = popover(anchor, choices, { class: "popover emojis", "aria-label": words.react });
}

function serviceNode(message) {
  const data = { testid: "service", id: message.message_id };
  return h("div", { class: "service", data }, h("span", {}, serviceText(message.service ?? {})));
}

function serviceText(service) {
  if (service.new_chat_members) return words.joined(service.new_chat_members.map((user) => user.first_name).join(", "));
  if (service.left_chat_member) return words.left(service.left_chat_member.first_name);
  if (service.forum_topic_created) return words.topic(service.forum_topic_created.name);
  if (service.migrate_to_chat_id) return words.migratedTo;
  if (service.migrate_from_chat_id) return words.migratedFrom;
  return words.service;
}
