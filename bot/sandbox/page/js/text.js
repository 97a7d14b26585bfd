// Text with entities as DOM nodes. Offsets are UTF-16 units, which is what JavaScript counts in too.

import { h } from "./dom.js";
import { words } from "./i18n.js";

const SAFE_LINK = /^(https?:|mailto:|tg:)/i;

const BUILD = {
  bold: (_, inside) => h("strong", {}, inside),
  italic: (_, inside) => h("em", {}, inside),
  underline: (_, inside) => h("u", {}, inside),
  strikethrough: (_, inside) => h("s", {}, inside),
  code: (_, inside) => h("code", {}, inside),
  pre: (entity, inside) => h("pre", entity.language ? { data: { language: entity.language } } : {}, h("code", {}, inside)),
  blockquote: (_, inside) => h("blockquote", {}, inside),
  expandable_blockquote: (_, inside) => foldable(inside),
  spoiler: (_, inside) => spoiler(inside),
  text_link: (entity, inside, _, does) => link(entity.url, inside, does),
  url: (_, inside, text, does) => link(/^[a-z]+:/i.test(text) ? text : `http://${text}`, inside, does),
  email: (_, inside, text, does) => link(`mailto:${text}`, inside, does),
  mention: (_, inside) => h("span", { class: "mention" }, inside),
  text_mention: (_, inside) => h("span", { class: "mention" }, inside),
  hashtag: (_, inside) => h("span", { class: "mention" }, inside),
  bot_command: (_, inside, text, does) =>
    h("button", { type: "button", class: "command", onclick: () => does.command(text) }, inside),
};

const NOTHING = { command: () => {}, start: () => false };

/** The nodes of `text`; what a click does: `command(text)`, and `start(name, code)`, true if that bot is here. */
export function richText(text, entities = [], does = NOTHING) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return build(text, sorted, 0, text.length, does);
}

function build(text, entities, start, end, does) {
  const nodes = [];
  let at = start;
  for (let index = 0; index < entities.length; index++) {
    const entity = entities[index];
    const from = Math.max(entity.offset, at);
    const to = Math.min(entity.offset + entity.length, end);
    if (from >= to) continue;
    if (from > at) nodes.push(plain(text.slice(at, from), BLOCKS.has(nodes.at(-1)?.nodeName)));
    const nested = entities.slice(index + 1).filter((other) => other.offset < to);
    const inside = build(text, nested, from, to, does);
    const make = BUILD[entity.type];
    nodes.push(...(make ? [make(entity, inside, text.slice(from, to), does)] : inside));
    at = to;
  }
  if (at < end) nodes.push(plain(text.slice(at, end), BLOCKS.has(nodes.at(-1)?.nodeName)));
  return nodes;
}

// A block ends its line by itself: the line break after it would show as an empty line.
const BLOCKS = new Set(["PRE", "BLOCKQUOTE"]);
const plain = (text, afterBlock) => (afterBlock && text.startsWith("\n") ? text.slice(1) : text);

// https://core.telegram.org/bots/features#deep-linking
const DEEP_LINK = /^https?:\/\/t\.me\/(\w+)(?:\?start=([\w-]{1,64}))?$/i;

function link(url, inside, does) {
  if (!SAFE_LINK.test(url)) return h("span", { class: "mention" }, inside);
  const deep = DEEP_LINK.exec(url);
  const onclick = (event) => deep && does.start(deep[1], deep[2]) && event.preventDefault();
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow", title: url, onclick }, inside);
}

function spoiler(inside) {
  const show = () => {
    node.classList.add("shown");
    node.removeAttribute("role");
    node.removeAttribute("aria-label");
  };
  const onkeydown = (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), show());
  const node = h("span", { class: "spoiler", role: "button", tabindex: "0", "aria-label": words.spoiler, onclick: show, onkeydown }, h("span", {}, inside));
  return node;
}

function foldable(inside) {
  const node = h("blockquote", { class: "folded", tabindex: "0", onclick: () => node.classList.toggle("folded") }, inside);
  return node;
}
