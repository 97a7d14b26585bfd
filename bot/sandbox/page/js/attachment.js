// What messages bring besides words: pictures, files, voice, stickers, polls; shown, and sent.

import { h, icon, styled } from "./dom.js";
import { words } from "./i18n.js";
import { actionMenu } from "./overlay.js";

const address = (attachment) => `/api/file/${attachment.file}`;

const TALLEST_PX = 420;

const SHOW = {
  photo,
  document: (one) =>
    h(
      "a", { class: "file", href: address(one), download: one.name ?? "", data: { testid: "document" } },
      icon("file"), h("span", {}, h("b", {}, one.name ?? words.file), h("small", {}, size(one.size))),
    ),
  voice: (one) => h("div", { class: "file", data: { testid: "voice" } }, icon("mic"), h("span", {}, h("b", {}, words.voice), h("small", {}, `0:0${one.duration}`))),
  sticker: (one) => h("div", { class: "sticker", data: { testid: "sticker" } }, one.emoji),
  poll: (one) => h("div", { class: "poll", data: { testid: "poll" } }, h("b", {}, one.question), h("ul", {}, one.options.map((option) => h("li", {}, option)))),
};

// Its room is known before it arrives: nothing moves then.
function photo(one) {
  const image = h("img", { class: "photo", src: address(one), alt: words.photo, width: String(one.width), height: String(one.height), data: { testid: "photo" } });
  return styled(image, { "--width": `${Math.min(one.width, (TALLEST_PX * one.width) / one.height)}px` });
}

export const attachmentNode = (attachment) => SHOW[attachment.kind](attachment);

function size(bytes) {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KB`;
}

/** A message in one line: what it says, or what it brings. */
export function summary(message) {
  const kind = message.attachment?.kind;
  const mark = { photo: words.photo, document: message.attachment?.name, voice: words.voice, sticker: message.attachment?.emoji, poll: message.attachment?.question }[kind];
  return message.text ?? [mark, message.caption].filter(Boolean).join(" · ");
}

/** A menu of what can be sent; `send` gets the values of the page API's `attach`. */
export function attachMenu(anchor, send) {
  actionMenu(anchor, [
    ["file", words.photoOrFile, () => pick(send), "attach-file"],
    ["smile", words.sticker, () => send({ kind: "sticker", text: "😂" }), "attach-sticker"],
    ["mic", words.voice, () => send({ kind: "voice" }), "attach-voice"],
    ["check", words.poll, () => send({ kind: "poll", text: words.samplePoll }), "attach-poll"],
  ]);
}

function pick(send) {
  const input = h("input", { type: "file", hidden: true, data: { testid: "file-input" } });
  input.addEventListener("change", () => (input.remove(), input.files[0] && read(input.files[0], send)));
  input.addEventListener("cancel", () => input.remove());
  document.body.append(input);
  input.click();
}

function read(file, send) {
  const reader = new FileReader();
  const picture = ["image/png", "image/jpeg"].includes(file.type);
  reader.onload = () => send({
    kind: picture ? "photo" : "document", name: file.name, mime_type: file.type || null,
    content: reader.result.slice(reader.result.indexOf(",") + 1),
  });
  reader.readAsDataURL(file);
}
