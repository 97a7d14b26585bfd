// Portraits of people, chats and the bot.

import { avatar } from "./dom.js";
import { store, titleOf, userOf } from "./store.js";

/** The picture of a person, of the bot, or of a chat that writes under its own name. */
export function portrait(id, size) {
  const chat = store.users[id] ? null : store.chats.get(id);
  return avatar(chat?.title ?? userOf(id).first_name, id, size, id === store.bot);
}

export const pictureOf = (chat, size) =>
  chat.type === "private" ? portrait(store.bot, size) : avatar(titleOf(chat), chat.id, size);
