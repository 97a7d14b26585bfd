// The page: a calm little messenger over the sandbox. Start here.
//
// store.js holds what is known, chat.js and sidebar.js draw it, api.js talks to the sandbox. Who and where
// you are stands in the address (#person/chat), so that two tabs can be two people.

import { chatView } from "./chat.js";
import { applyLanguage, words } from "./i18n.js";
import { toast } from "./overlay.js";
import { sidebar } from "./sidebar.js";
import { become, on, store } from "./store.js";
import { applyTheme } from "./theme.js";

const NARROW = matchMedia("(max-width: 720px)");

applyTheme();
applyLanguage();

const side = sidebar();
const chat = chatView();

function remember() {
  history.replaceState(null, "", `#${store.me}${store.active === null ? "" : `/${store.active}`}`);
}

on("state", () => {
  if (store.active === null && !NARROW.matches) store.active = store.me;
  side.draw();
  chat.draw();
  remember();
});
on("timeline", remember);

const [me, where] = location.hash.slice(1).split("/").map(Number);
become(me || null, where || null).catch(() => toast(words.offline));
